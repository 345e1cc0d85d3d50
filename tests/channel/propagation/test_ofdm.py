"""Tapped delay lines under OFDM: Sionna's own draws, the statistics of TR 38.901, accounting, reproducibility."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy.special import j0
from scipy.stats import chi2, kstest
from sionna.phy import config as sionna_config
from sionna.phy.channel.tr38901 import TDL
from sionna.phy.mimo import StreamManagement
from sionna.phy.ofdm import (
    LMMSEChannelEstimator,
    LMMSEEqualizer,
    LSChannelEstimator,
    PilotPattern,
    ResourceGrid,
    tdl_freq_cov_mat,
    tdl_time_cov_mat,
)

from channel.config import ChannelConfig
from channel.link.link import Link
from channel.link.outcome import PacketOutcome
from channel.link.transmission import Transmission
from channel.phy.mcs import mcs, transport_block
from channel.propagation.base import PacketKeys
from channel.propagation.factory import build_channel_model
from channel.propagation.kinds import Tdl
from channel.propagation.ofdm import OfdmChannel
from channel.propagation.tdl_parameters import LAST_TAP_DELAY, OfdmGrid
from channel.propagation.tdl_statistics import pilot_filter
from channel.snr import noise_variance
from shared.errors import ConfigError
from shared.validation import validate

URBAN = {"kind": "tdl", "profile": "A", "delay_spread_s": 3e-7, "carrier_frequency_hz": 3.5e9, "speed_m_s": 10.0}
PACKET_BYTES = 32
DOUBLE = {"precision": "double", "device": "cpu"}


def config(**values):
    return validate(ChannelConfig, {"snr_db": 10.0, "mcs": 8, "run_seed": 42, "propagation": URBAN} | values)


def model_for(settings: ChannelConfig):
    return build_channel_model(settings.propagation, noise_variance(settings.es_n0_db), settings.symbol_rate_hz)


def ofdm(snr_db=10.0, **propagation):
    return OfdmChannel(validate(Tdl, URBAN | propagation), noise_variance(snr_db), 1e6)


def sionna_grid(grid):
    """Sionna's resource grid of one slot with the pilots of the link."""
    mask = np.zeros((1, 1, grid.slot_symbols, grid.effective_carriers), dtype=np.int32)
    mask[:, :, list(grid.pilot_symbols)] = 1
    pilots = np.full((1, 1, grid.pilot_elements), (1 + 1j) / np.sqrt(2))
    return ResourceGrid(
        num_ofdm_symbols=grid.slot_symbols,
        fft_size=grid.fft_size,
        subcarrier_spacing=1e6 / grid.fft_size,
        cyclic_prefix_length=grid.cyclic_prefix,
        num_guard_carriers=(grid.guard_carriers_low, grid.guard_carriers_high),
        dc_null=grid.dc_null,
        pilot_pattern=PilotPattern(mask, pilots, **DOUBLE),
        **DOUBLE,
    )


def sionna_estimator(settings, grid):
    if settings.estimation == "ls":
        return LSChannelEstimator(grid, interpolation_type="lin", **DOUBLE)
    spacing_hz, symbol_s = grid.subcarrier_spacing, grid.ofdm_symbol_duration
    over_frequency = tdl_freq_cov_mat(settings.profile, spacing_hz, grid.fft_size, settings.delay_spread_s, **DOUBLE)
    motion = settings.speed_m_s, settings.carrier_frequency_hz
    over_time = tdl_time_cov_mat(settings.profile, *motion, symbol_s, grid.num_ofdm_symbols, **DOUBLE)
    used = torch.from_numpy(grid.effective_subcarrier_ind)
    return LMMSEChannelEstimator(grid, over_time, over_frequency[used][:, used], order="f-t", **DOUBLE)


@pytest.mark.parametrize(
    ("profile", "estimation", "noise"),
    [("A", "lmmse", 0.06), ("D", "lmmse", 1e-4), ("E", "lmmse", 10.0), ("A", "ls", 0.1)],
)
def test_estimates_and_equalised_symbols_are_those_of_sionnas_blocks(profile, estimation, noise):
    settings = validate(Tdl, URBAN | {"profile": profile, "estimation": estimation})
    grid = sionna_grid(settings.grid)
    random = np.random.default_rng(1)
    seen = random.standard_normal((3, 14, 64, 2)).view(np.complex128)[..., 0]
    used, pilots = grid.effective_subcarrier_ind, list(settings.grid.pilot_symbols)
    learned = pilot_filter(settings, 1e6, noise)
    ours = learned.estimate(seen[:, pilots][..., used] / np.sqrt(1j))
    observed = torch.from_numpy(seen)[:, None, None]
    theirs = sionna_estimator(settings, grid)(observed, torch.tensor(noise, dtype=torch.float64))
    assert np.allclose(ours, theirs[0][:, 0, 0, 0, 0].numpy(), rtol=1e-9, atol=1e-9)
    assert np.allclose(learned.error, theirs[1][:, 0, 0, 0, 0].numpy(), rtol=1e-9, atol=1e-12)
    equalise = LMMSEEqualizer(grid, StreamManagement(np.ones((1, 1)), 1), **DOUBLE)
    symbols, variance = equalise(observed, *theirs, torch.tensor(noise, dtype=torch.float64))
    data = np.setdiff1d(np.arange(14), pilots)
    assert np.allclose((seen[..., used] / ours)[:, data].ravel(), symbols.numpy().ravel(), rtol=1e-6)
    stated = ((noise + learned.error) / np.abs(ours) ** 2)[:, data]
    assert np.allclose(stated.ravel(), variance.numpy().ravel(), rtol=1e-6)


def responses(air, packets):
    """Return the channel ``[packets, slot_symbols, carriers]`` in the first slot of independent packets."""
    keys = PacketKeys(1, 2, range(packets), [0.0] * packets)
    return np.stack([air.frequency_response(1, keys, position)[0] for position in range(packets)])


def test_sionnas_process_wide_generator_is_not_used():
    before = sionna_config.torch_rng("cpu").get_state()
    model_for(config()).apply(torch.ones((1, 100), dtype=torch.complex64), PacketKeys(1, 2, [3], [0.0]))
    assert torch.equal(sionna_config.torch_rng("cpu").get_state(), before)


@pytest.mark.parametrize("profile", list(LAST_TAP_DELAY))
def test_power_delay_and_correlations_are_those_of_sionnas_profile(profile):
    """Mean power 1; over frequency Σ P exp(-j 2π τ Δf), over time J0(2π f_D Δt) and the line of sight's rotation."""
    packets = 600
    tdl, grid = TDL(profile, 2e-7, 3.5e9, min_speed=60.0, **DOUBLE), OfdmGrid()
    h = responses(ofdm(profile=profile, delay_spread_s=2e-7, speed_m_s=60.0, fading="independent"), packets)
    power = np.mean(np.abs(h) ** 2, axis=(1, 2))
    assert abs(np.mean(power) - 1) < 4 * np.std(power) / math.sqrt(packets)
    powers, delays = tdl.mean_powers.numpy(), tdl.delays.numpy()
    assert float(delays.max()) == pytest.approx(LAST_TAP_DELAY[profile] * 2e-7)

    half = h[:, :, grid.effective_carriers // 2 :]  # above the empty centre carrier
    apart_hz = 20 * 1e6 / grid.fft_size
    sampled = np.mean(half[:, :, 20:] * np.conj(half[:, :, :-20]))
    assert sampled == pytest.approx(np.sum(powers * np.exp(-2j * math.pi * delays * apart_hz)), abs=0.1)

    doppler_hz = 60.0 / 299_792_458.0 * 3.5e9
    apart_s = 10 * (grid.fft_size + grid.cyclic_prefix) / 1e6
    line_of_sight = float(tdl.mean_power_los) if tdl.los else 0.0
    turned = np.exp(2j * math.pi * doppler_hz * 0.7 * apart_s)
    expected = (1 - line_of_sight) * j0(2 * math.pi * doppler_hz * apart_s) + line_of_sight * turned
    assert np.mean(h[:, 10:] * np.conj(h[:, :-10])) == pytest.approx(expected, abs=0.1)


def test_without_delay_spread_and_speed_the_channel_is_flat_rayleigh():
    h = responses(ofdm(delay_spread_s=1e-12, speed_m_s=0.0, fading="independent"), 600)
    assert np.allclose(h, h[:, :1, :1], atol=1e-4)
    assert kstest(np.abs(h[:, 0, 0]) ** 2, "expon").pvalue > 1e-3


@pytest.mark.parametrize(("estimation", "tolerance"), [("perfect", 0.0), ("lmmse", 0.1), ("ls", 0.35)])
def test_the_stated_variance_is_that_of_the_error(estimation, tolerance):
    """With perfect CSI exactly (a chi-square interval); with an estimate as far as Sionna's error model holds."""
    packets, count = 40, 600
    air = ofdm(15.0, estimation=estimation)
    bits = np.random.default_rng(1).integers(0, 2, (2, packets, count))
    sent = torch.from_numpy(((1 - 2 * bits[0]) + 1j * (1 - 2 * bits[1])) / math.sqrt(2)).to(torch.complex64)
    equalised, variance = air.apply(sent, PacketKeys(1, 2, range(packets), [0.1 * index for index in range(packets)]))
    ratio = ((equalised - sent).abs().square() / variance).double()
    if estimation == "perfect":
        # LMMSE equalisation scaled to be unbiased leaves Gaussian noise of N0 / |h|²
        low, high = np.array(chi2.interval(0.999, 2 * ratio.numel())) / (2 * ratio.numel())
        assert low < float(ratio.mean()) < high
    else:
        assert float(ratio.mean()) == pytest.approx(1.0, rel=tolerance)


def test_better_channel_estimation_delivers_more_packets(chains, space_packet):
    packets = [space_packet(PACKET_BYTES, seed) for seed in range(240)]
    delivered = []
    for estimation in ("ls", "lmmse", "perfect"):
        settings = config(snr_db=4.0, propagation=URBAN | {"estimation": estimation})
        arrivals = Link(settings, chains).transmit(packets, picture_index=0)
        delivered.append(sum(arrival.outcome is PacketOutcome.DELIVERED for arrival in arrivals))
    assert 0 < delivered[0] < delivered[1] < delivered[2] < len(packets), delivered


@pytest.mark.parametrize("estimation", ["perfect", "ls", "lmmse"])
@pytest.mark.parametrize("profile", ["C", "E"])
def test_all_packets_are_delivered_at_high_snr_and_none_at_low_snr(chains, space_packet, profile, estimation):
    packets = [space_packet(length, 1) for length in (7, 40, 300)]
    propagation = URBAN | {"profile": profile, "delay_spread_s": 1e-7, "estimation": estimation, "speed_m_s": 1.0}
    for snr_db, expected in ((100.0, packets), (-100.0, [None] * 3)):
        link = Link(config(snr_db=snr_db, propagation=propagation), chains)
        assert [arrival.packet for arrival in link.transmit(packets, picture_index=0)] == expected


@pytest.mark.parametrize(("batch_size", "threads"), [(1, 1), (7, 1), (64, 2)])
def test_outcomes_do_not_depend_on_batch_size_and_threads(chains, space_packet, batch_size, threads):
    packets = [space_packet(PACKET_BYTES, seed) for seed in range(16)]
    keys = PacketKeys(42, 1, range(16), [0.01 * index for index in range(16)])
    symbols = torch.ones((16, 700), dtype=torch.complex64)
    together = model_for(config()).apply(symbols, keys)
    before = torch.get_num_threads()
    reference = Link(config(snr_db=4.0), chains).transmit(packets, picture_index=1)
    torch.set_num_threads(threads)
    try:
        link = Link(config(snr_db=4.0, batch_size=batch_size), chains)
        assert link.transmit(packets, picture_index=1) == reference
        alone = model_for(config()).apply(symbols[7:8], PacketKeys(42, 1, [7], [0.07]))
        assert all(torch.equal(one[0], many[7]) for one, many in zip(alone, together, strict=True))
    finally:
        torch.set_num_threads(before)
    assert {arrival.outcome for arrival in reference} == {PacketOutcome.DELIVERED, PacketOutcome.FEC_FAILED}


def test_pilots_guard_carriers_and_cyclic_prefixes_count_as_channel_uses(chains, space_packet):
    settings = config(snr_db=60.0)
    symbols = transport_block(256, mcs(8)).channel_uses
    slots = math.ceil(symbols / (12 * 52))
    arrivals = Link(settings, chains).transmit([space_packet(256), space_packet(7)], picture_index=0)
    assert [arrival.channel_uses for arrival in arrivals] == [slots * 14 * 69, 14 * 69]
    assert arrivals[0].air_time_s == pytest.approx(slots * 14 * 69 / 1e6)
    transmission = Transmission(Link(settings, chains), 0)
    transmission.carry([space_packet(256), space_packet(7)])
    total = transmission.report().cost.total
    assert total.channel_uses == (slots + 1) * 14 * 69
    assert total.bits_on_air == 2 * (symbols + transport_block(7, mcs(8)).channel_uses)
    assert total.pilot_uses == (slots + 1) * 2 * 52
    assert total.grid_uses == total.channel_uses - total.pilot_uses - total.bits_on_air // 2


@pytest.mark.parametrize("values", [{}, {"dc_null": False, "guard_carriers_low": 0}, {"fft_size": 128}])
def test_grid_arithmetic_agrees_with_sionna(values):
    grid = validate(OfdmGrid, values)
    theirs = sionna_grid(grid)
    assert grid.effective_carriers == theirs.num_effective_subcarriers
    assert grid.data_elements == theirs.num_data_symbols
    assert grid.pilot_elements == theirs.num_pilot_symbols
    assert grid.slot_channel_uses == theirs.num_time_samples


@pytest.mark.parametrize(
    ("propagation", "message"),
    [
        ({"profile": "F"}, r"profile = 'F': .*'A', 'B', 'C', 'D' or 'E'"),
        ({"delay_spread_s": -1e-7}, r"delay_spread_s = -1e-07 s: .*greater than 0"),
        ({"delay_spread_s": 1e-6}, r"delay_spread_s = 1e-06: the last tap of TDL-A .*cyclic_prefix"),
        ({"speed_m_s": 1000.0}, r"speed_m_s = 1000: a Doppler shift of .*Hz.*smaller fft_size"),
        ({"carrier_frequency_hz": 0.0}, r"carrier_frequency_hz = 0.0 Hz: .*500000000"),
        ({"estimation": "guess"}, r"estimation = 'guess'"),
        ({"grid": {"pilot_symbols": [14]}}, r"pilot_symbols must lie between 0 and 13"),
        ({"grid": {"pilot_symbols": []}}, r"pilot_symbols = \[\]"),
        ({"grid": {"guard_carriers_low": 40}}, r"guard carriers must leave"),
    ],
)
def test_settings_outside_their_rule_are_refused_by_name(propagation, message):
    with pytest.raises(ConfigError, match=message):
        config(propagation=URBAN | propagation)
