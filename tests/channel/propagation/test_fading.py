"""Block fading against closed forms and its limiting cases."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy.stats import binomtest, chi2, kstest

from channel.config import ChannelConfig
from channel.link.link import Link
from channel.link.outcome import PacketOutcome
from channel.phy.mcs import mcs, transport_block
from channel.propagation.base import PacketKeys
from channel.propagation.factory import build_channel_model
from channel.propagation.fading import draw_fading
from channel.snr import noise_variance
from shared.errors import InputError
from shared.validation import validate

PACKET_BYTES = 32
INDEPENDENT = {"kind": "rayleigh", "fading": "independent"}


def config(**values):
    return validate(ChannelConfig, {"snr_db": 2.0, "mcs": 8, "run_seed": 42} | values)


def model_for(settings: ChannelConfig):
    return build_channel_model(settings.propagation, noise_variance(settings.es_n0_db), settings.symbol_rate_hz)


def test_rayleigh_power_is_exponential_with_mean_1_and_phase_uniform():
    h = draw_fading(1, 2, range(100), 500).ravel()
    low, high = np.array(chi2.interval(0.9999, 2 * h.size)) / (2 * h.size)
    assert low < np.mean(np.abs(h.astype(np.complex128)) ** 2) < high
    assert kstest(np.abs(h) ** 2, "expon").pvalue > 1e-4
    assert kstest(np.angle(h), "uniform", args=(-math.pi, 2 * math.pi)).pvalue > 1e-4


@pytest.mark.parametrize("k_factor", [0.5, 4.0, 100.0])
def test_rician_has_its_k_factor_and_mean_power_1(k_factor):
    h = draw_fading(1, 2, range(100), 500, k_ratio=k_factor).ravel().astype(np.complex128)
    scattered = 1 / (k_factor + 1)
    low, high = np.array(chi2.interval(0.9999, 2 * h.size)) / (2 * h.size) * scattered
    assert low < np.mean(np.abs(h - math.sqrt(k_factor * scattered)) ** 2) < high
    # |h|² of mean 1 has variance (2 K + 1) / (K + 1)²
    deviation = math.sqrt((2 * k_factor + 1) / (k_factor + 1) ** 2 / h.size)
    assert abs(np.mean(np.abs(h) ** 2) - 1) < 4 * deviation


def test_fading_of_a_packet_does_not_depend_on_other_packets_or_its_length():
    together = draw_fading(7, 1, [0, 5, 99], 8)
    for row, index in zip(together, [0, 5, 99], strict=True):
        assert np.array_equal(row, draw_fading(7, 1, [index], 8)[0])
        assert np.array_equal(row[:3], draw_fading(7, 1, [index], 3)[0])
    assert len(np.unique(together)) == together.size


@pytest.mark.parametrize(("eb_n0_db", "order", "index"), [(0.0, 2, 8), (10.0, 2, 8), (20.0, 2, 8), (10.0, 4, 13)])
def test_uncoded_ber_over_rayleigh_lies_within_the_binomial_interval(chains, eb_n0_db, order, index):
    chain = chains.chain(mcs(index), transport_block(PACKET_BYTES, mcs(index)), bp_iterations=20, device="cpu")
    es_n0_db = eb_n0_db + 10 * math.log10(order)
    air = model_for(config(snr_db=es_n0_db, propagation=INDEPENDENT | {"coherence_symbols": 1}))
    bits = np.random.default_rng(3).integers(0, 2, (20, 5_000 * order)).astype(np.float32)
    with torch.inference_mode():
        llrs = chain.demap(*air.apply(chain.modulate(torch.from_numpy(bits)), PacketKeys(3, 0, range(20))))
    wrong = (llrs.numpy() > 0) != bits.astype(bool)
    # The first bit of each dimension; in 16QAM it decides between the half planes.
    signs = wrong.reshape(-1, order)[:, :2]

    def mean_q(distance):
        """Mean of Q(sqrt(2 d² |h|² Es/N0)) over Rayleigh fading (Proakis, equation 13.3-7)."""
        power = distance**2 * 10 ** (es_n0_db / 10)
        return 0.5 * (1 - math.sqrt(power / (1 + power)))

    amplitudes = {2: [math.sqrt(1 / 2)], 4: [math.sqrt(1 / 10), math.sqrt(9 / 10)]}[order]
    expected = np.mean([mean_q(amplitude) for amplitude in amplitudes])
    assert binomtest(int(signs.sum()), signs.size, expected).pvalue > 1e-3


def test_one_coefficient_per_packet_or_per_coherence_block():
    keys = PacketKeys(3, 0, range(4))
    ones = torch.ones((4, 100), dtype=torch.complex64)
    quiet = {"snr_db": 100.0}
    for coherence, blocks in ((None, 1), (40, 3), (100, 1), (1, 100)):
        air = model_for(config(**quiet, propagation=INDEPENDENT | {"coherence_symbols": coherence}))
        equalised, variance = air.apply(ones, keys)
        assert [len(np.unique(row)) for row in variance.numpy()] == [blocks] * 4
        assert torch.allclose(equalised, ones, atol=5 * math.sqrt(float(variance.max())))


def test_llrs_take_the_variance_of_their_own_block(chains):
    """The LLR of QPSK is linear in |h|² / N0: 2 sqrt(2) Re(conj(h) y) / N0 for the first bit."""
    chain = chains.chain(mcs(8), transport_block(PACKET_BYTES, mcs(8)), bp_iterations=20, device="cpu")
    settings = config(
        snr_db=3.0, propagation=INDEPENDENT | {"kind": "rician", "k_factor_db": 3.0, "coherence_symbols": 10}
    )
    bits = np.random.default_rng(3).integers(0, 2, (2, 200)).astype(np.float32)
    keys = PacketKeys(3, 0, [0, 1])
    with torch.inference_mode():
        symbols = chain.modulate(torch.from_numpy(bits))
        llrs = chain.demap(*model_for(settings).apply(symbols, keys)).numpy()
    h = np.repeat(draw_fading(3, 0, [0, 1], 10, k_ratio=10**0.3), 10, axis=1)
    variance = noise_variance(3.0)
    observed = h * symbols.numpy() + keys.noise(100, variance).numpy()
    expected = -2 * math.sqrt(2) * (np.conj(h) * observed).real / variance
    assert np.allclose(llrs[:, ::2], expected, rtol=1e-3, atol=1e-3)


def send(chains, packets, propagation, **values):
    link = Link(config(propagation=propagation, **values), chains)
    return [arrival.outcome for arrival in link.transmit(packets, picture_index=1)]


def test_rician_without_scatter_is_awgn_and_without_line_of_sight_rayleigh(chains, space_packet):
    packets = [space_packet(PACKET_BYTES, seed) for seed in range(60)]
    awgn = send(chains, packets, {"kind": "awgn"}, snr_db=1.5)
    assert send(chains, packets, {"kind": "rician", "k_factor_db": 100.0, "speed_m_s": 0.0}, snr_db=1.5) == awgn
    fast = {"speed_m_s": 300.0}
    rayleigh = send(chains, packets, {"kind": "rayleigh"} | fast, snr_db=1.5)
    assert send(chains, packets, {"kind": "rician", "k_factor_db": -100.0} | fast, snr_db=1.5) == rayleigh
    assert len({*awgn}) == len({*rayleigh}) == 2
    assert awgn != rayleigh


@pytest.mark.parametrize(
    "propagation", [INDEPENDENT | {"coherence_symbols": 50}, {"kind": "rayleigh", "speed_m_s": 50}]
)
@pytest.mark.parametrize(("batch_size", "threads"), [(1, 1), (7, 1), (64, 2)])
def test_outcomes_do_not_depend_on_batch_size_and_threads(chains, space_packet, batch_size, threads, propagation):
    packets = [space_packet(16 + 8 * (seed % 2), seed) for seed in range(64)]
    reference = send(chains, packets, propagation, snr_db=4.0)
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        assert send(chains, packets, propagation, snr_db=4.0, batch_size=batch_size) == reference
    finally:
        torch.set_num_threads(before)
    assert set(reference) == {PacketOutcome.DELIVERED, PacketOutcome.FEC_FAILED}


@pytest.mark.parametrize(
    ("propagation", "message"),
    [
        ({"kind": "rician"}, r"propagation\.k_factor_db is missing"),
        ({"kind": "rician", "k_factor_db": math.inf}, r"k_factor_db = inf dB: .*finite"),
        (
            {"kind": "rayleigh", "coherence_symbols": 5},
            r"coherence_symbols = 5: blocks fade on their own only with fading: independent; set it",
        ),
        (
            {"kind": "rayleigh", "speed_m_s": 9000, "carrier_frequency_hz": 30e9},
            r"speed_m_s = 9000: a Doppler shift of .* Hz is above 5e\+04 Hz, 5% of the symbol rate: take a lower speed",
        ),
        ({"kind": "rayleigh", "fading": "sometimes"}, r"fading = 'sometimes': .*'continuous' or 'independent'"),
        ({"kind": "rayleigh", "coherence_symbols": 0}, r"coherence_symbols = 0 symbols: .*greater than or equal to 1"),
        ({"kind": "nakagami"}, r"propagation\.kind = 'nakagami': .*awgn, rayleigh, rician"),
    ],
)
def test_settings_outside_their_rule_are_refused_by_name(propagation, message):
    with pytest.raises(InputError, match=message):
        config(propagation=propagation)
