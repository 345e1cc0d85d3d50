"""Predicted fading of a tapped delay line: its tap tables, the estimator's error, limits with a closed form."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from channel.link.loss_model import predict_block_error_rate
from channel.phy.mcs import mcs
from channel.propagation.base import PacketKeys
from channel.propagation.kinds import Rayleigh, Rician, Tdl
from channel.propagation.ofdm import OfdmChannel
from channel.propagation.tdl_fading import draw_powers, error_variance
from channel.propagation.tdl_parameters import LAST_TAP_DELAY
from channel.propagation.tdl_taps import load_taps

RATE_HZ = 1.92e6


def tdl(profile: str, **values: object) -> Tdl:
    return Tdl.model_validate(
        {"profile": profile, "delay_spread_s": 1e-7, "carrier_frequency_hz": 3.5e9, "kind": "tdl"} | values
    )


@pytest.mark.parametrize(("profile", "k_db"), [("D", 8.98), ("E", 9.27)])
def test_the_k_factor_counts_the_scattered_power_of_all_taps(profile: str, k_db: float) -> None:
    """The K factors of the first taps, 13.3 and 22 dB, are those of TR 38.901's tables 7.7.2-4 and 7.7.2-5."""
    taps = load_taps(profile)
    assert 10 * math.log10(taps.k_ratio) == pytest.approx(k_db, abs=0.01)
    assert tdl(profile).k_ratio == taps.k_ratio
    first_tap_db = 10 * math.log10(taps.line_of_sight_power / taps.powers[0])
    assert first_tap_db == pytest.approx({"D": 13.3, "E": 22.0}[profile], abs=0.1)


@pytest.mark.parametrize("profile", "ABCDE")
def test_the_taps_have_unit_power_and_the_last_delay_of_the_standard(profile: str) -> None:
    taps = load_taps(profile)
    assert taps.powers.sum() + taps.line_of_sight_power == pytest.approx(1.0)
    assert taps.delays.max() == LAST_TAP_DELAY[profile]


def simulate(model: OfdmChannel, run_seed: int, packets: int) -> np.ndarray:
    """Return the channel ``[packets, slot_symbols, carriers]`` of the first packet of as many pictures."""
    keys = [PacketKeys(run_seed, picture, [0], [0.0]) for picture in range(packets)]
    return np.concatenate([model.frequency_response(1, one, 0) for one in keys])


@pytest.mark.parametrize("estimation", ["lmmse", "ls"])
def test_the_error_variance_is_that_of_the_simulated_estimator(estimation: str) -> None:
    """Over the draws of the channel; what ``ls`` assumes itself leaves out the channel's change in time."""
    settings_, noise = tdl("A", speed_m_s=60.0, estimation=estimation), 0.2
    model = OfdmChannel(settings_, noise, RATE_HZ)
    response = simulate(model, 1, 400)
    random = np.random.default_rng(1)
    noisy = response + math.sqrt(noise / 2) * random.standard_normal((*response.shape, 2)).view(complex)[..., 0]
    estimate, _ = model._estimate(noisy * math.sqrt(0.5) * (1 + 1j), response)
    simulated = (np.abs(estimate - response) ** 2).mean(axis=(0, 2))
    assert error_variance(settings_, RATE_HZ, noise).mean(axis=1) == pytest.approx(simulated, rel=0.1)


@pytest.mark.parametrize("profile", ["B", "E"])
def test_drawn_powers_have_the_moments_of_simulated_channels(profile: str) -> None:
    settings_ = tdl(profile, speed_m_s=10.0, delay_spread_s=3e-8)
    model = OfdmChannel(settings_, 0.1, RATE_HZ)
    responses = simulate(model, 3, 200)
    draws = draw_powers(settings_, settings_.grid.data_elements, RATE_HZ)
    simulated = (np.abs(responses) ** 2).mean(axis=(1, 2))
    predicted = draws.powers.mean(axis=1)
    mean = float(draws.masses @ predicted)
    assert mean == pytest.approx(1.0, abs=0.03)
    deviation = math.sqrt(float(draws.masses @ (predicted - mean) ** 2))
    assert deviation == pytest.approx(simulated.std(), rel=0.2)


@pytest.mark.parametrize(("profile", "es_n0_db"), [("A", 10.0), ("A", 25.0), ("C", 18.0), ("E", 6.0), ("E", 9.0)])
def test_without_selectivity_the_loss_is_that_of_one_flat_fade(profile: str, es_n0_db: float) -> None:
    """Even a loss below 1e-3 is met within a few per cent by 1024 draws."""
    flat = tdl(profile, delay_spread_s=1e-12, estimation="perfect")
    k_ratio = load_taps(profile).k_ratio
    one_fade = Rician(k_factor_db=10 * math.log10(k_ratio)) if k_ratio else Rayleigh()
    expected = predict_block_error_rate(mcs(8), es_n0_db, one_fade, 256)
    assert predict_block_error_rate(mcs(8), es_n0_db, flat, 256, RATE_HZ) == pytest.approx(expected, rel=0.08)


@settings(max_examples=8, deadline=None)
@given(
    st.sampled_from("ABCDE"),
    st.sampled_from(["perfect", "ls", "lmmse"]),
    st.sampled_from([3, 8, 13, 20, 28]),
    st.integers(8, 256),
    st.floats(0, 30),
)
def test_the_predicted_loss_never_rises_with_the_snr(
    profile: str, estimation: str, index: int, packet_bytes: int, speed_m_s: float
) -> None:
    settings_ = tdl(profile, estimation=estimation, speed_m_s=speed_m_s)
    losses = [predict_block_error_rate(mcs(index), db, settings_, packet_bytes, RATE_HZ) for db in range(-5, 41, 3)]
    assert np.all(np.diff(losses) <= 1e-9)
    assert losses[0] > losses[-1]
    assert all(0 <= loss <= 1 for loss in losses)
