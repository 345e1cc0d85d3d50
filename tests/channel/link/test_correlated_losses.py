"""Losses of packets that fade together, against the loss model over simulated fading."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import betabinom, binom

from channel.link.channel_uses import packet_uses
from channel.link.correlated_losses import loss_states, more_lost_than, predict_loss_correlation
from channel.link.loss_model import predict_packet_loss, scheme_error_rates
from channel.link.protection_options import predict_scheme_options
from channel.phy.mcs import mcs
from channel.phy.mcs_selection import DEFAULT_MARGIN_DB
from channel.profile.registry import load_profile
from channel.propagation.doppler import draw_paths, line_of_sight
from channel.propagation.tdl_taps import load_taps

SOURCES, REPAIRS = 10, np.array([0, 2, 5])


def config_at(channel, snr_db, **changes):
    return load_profile(channel, {"snr_db": str(snr_db), "mcs": "4"} | changes).config(run_seed=1)


def simulated_loss_rates(config, pictures):
    """Return the block error rate ``[pictures, packets]`` of each packet given its simulated fading."""
    scheme, packets = config.scheme, SOURCES + int(REPAIRS.max())
    air_time_s = packet_uses(256, scheme, config) / config.symbol_rate_hz
    seconds = (np.arange(packets) + 0.5) * air_time_s
    settings, snr = config.propagation, 10 ** ((config.es_n0_db - DEFAULT_MARGIN_DB) / 10)
    if settings.kind == "tdl":
        taps = load_taps(settings.profile)
        powers, sight = taps.powers, 0.0
        turned = np.exp(-2j * np.pi * np.outer(taps.delays * settings.delay_spread_s, np.arange(-36, 36, 4) * 15e3))
    else:
        scattered = 1 / (settings.k_ratio + 1)
        powers, turned = [scattered], np.ones((1, 1))
        sight = line_of_sight(1 - scattered, settings.max_doppler_hz, seconds)[:, None]
    rates = []
    for picture in range(pictures):
        h = draw_paths(1, picture, None, settings.max_doppler_hz, powers).at(seconds) @ turned + sight
        rates.append(scheme_error_rates(scheme, 256, np.abs(h) ** 2 * snr))
    return np.array(rates)


def incomplete(rates, repairs):
    """Return the share of pictures that lose more than ``repairs`` of their packets, exactly given ``rates``."""
    lost = np.zeros((len(rates), repairs + 2))
    lost[:, 0] = 1
    for rate in rates[:, : SOURCES + repairs].T:
        more = lost[:, :-1] * rate[:, None]
        lost[:, :-1] *= 1 - rate[:, None]
        lost[:, 1:] += more
    return lost[:, -1].mean()


@pytest.mark.parametrize(
    ("channel", "snr_db", "changes"),
    [
        ("rayleigh", 10.5, {}),
        ("rayleigh", 15.5, {}),
        ("rayleigh", 10.5, {"propagation.speed_m_s": "0.3"}),
        ("rician", 6.5, {}),
        ("tdl-a", 5.0, {"propagation.estimation": "perfect"}),
    ],
)
def test_incomplete_streams_are_those_of_simulated_fading(channel, snr_db, changes):
    """Within a factor of 2 or 0.01; independent losses are wrong by up to two orders of magnitude."""
    config = config_at(channel, snr_db, **changes)
    rates = simulated_loss_rates(config, 2000)
    options = predict_scheme_options([256] * SOURCES, config.scheme, int(REPAIRS.max()), config)
    for repairs in REPAIRS:
        predicted = options.loss_probability[repairs]
        simulated = incomplete(rates, repairs)
        assert 0.5 * simulated - 0.01 < predicted < 2 * simulated + 0.01, repairs


def test_the_loss_of_one_packet_is_that_of_the_loss_model():
    config = config_at("rayleigh", 12.0)
    options = predict_scheme_options([128], mcs(4), 2, config)
    assert options.packet_loss == predict_packet_loss(config, mcs(4), 128)
    assert options.loss_probability[0] == pytest.approx(options.packet_loss, rel=1e-6)


def test_states_make_a_beta_binomial_number_of_losses():
    repairs = np.arange(6)
    for loss, correlation in ((0.02, 0.3), (0.3, 0.05), (0.9, 0.8), (1e-12, 0.3), (1 - 1e-13, 0.2)):
        spread = 1 / correlation - 1
        expected = betabinom.sf(repairs, 12 + repairs, loss * spread, (1 - loss) * spread)
        assert more_lost_than(repairs, 12, loss, np.full(6, correlation)) == pytest.approx(expected, abs=1e-9)
        rates, masses = loss_states(loss, correlation)
        assert masses @ rates == pytest.approx(loss, rel=1e-3)


@pytest.mark.parametrize("channel", ["awgn", "erasure", "rayleigh"])
def test_without_fading_that_goes_on_losses_are_independent(channel):
    config = config_at(channel, 3.0, **({"propagation.fading": "independent"} if channel == "rayleigh" else {}))
    packets = np.array([2, 5, 40])
    assert not predict_loss_correlation(config, mcs(4), 256, packets).any()
    options = predict_scheme_options([256] * 4, mcs(4), 3, config)
    repairs = np.arange(4)
    expected = binom.sf(repairs, 4 + repairs, options.packet_loss)
    assert options.loss_probability == pytest.approx(expected, abs=1e-12)


def test_the_correlation_falls_with_the_speed_and_with_independent_erasures():
    packets = np.array([2, 10])
    slow, fast = (
        predict_loss_correlation(config_at("rayleigh", 10.0, **{"propagation.speed_m_s": speed}), mcs(4), 256, packets)
        for speed in ("0.1", "2")
    )
    erased = config_at("rayleigh", 10.0, **{"propagation.speed_m_s": "0.1", "erasure_rate": "0.3"})
    assert (slow > fast).all()
    assert slow[0] >= slow[1] > 0.5
    assert (predict_loss_correlation(erased, mcs(4), 256, packets) < 0.5 * slow).all()
