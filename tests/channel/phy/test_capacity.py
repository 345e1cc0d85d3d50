"""Capacity, dispersion and normal approximation against published values and independent integration."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import norm

from channel.phy import capacity
from shared.errors import ConfigError


def test_awgn_capacity_at_known_points():
    assert capacity.awgn_capacity(0.0) == pytest.approx(1.0)
    assert capacity.awgn_capacity(10 * math.log10(3)) == pytest.approx(2.0)
    # The ultimate Shannon limit: Eb/N0 -> ln 2, -1.59 dB
    es_n0_db = -60.0
    assert es_n0_db - 10 * math.log10(capacity.awgn_capacity(es_n0_db)) == pytest.approx(-1.59, abs=0.005)


@pytest.mark.parametrize("es_n0_db", [-10.0, 0.0, 15.0])
def test_awgn_dispersion_is_the_variance_of_the_information_density(es_n0_db):
    """Sampled: i(x; y) = log2(1 + S) + log2(e) (|y|² / (1 + S) - |z|²) for |x|² = S, z from CN(0, 1)."""
    snr, samples = 10 ** (es_n0_db / 10), 400_000
    parts = np.random.default_rng(1).standard_normal((2, samples)) / math.sqrt(2)
    z = parts[0] + 1j * parts[1]
    density = math.log2(1 + snr) + math.log2(math.e) * (np.abs(math.sqrt(snr) + z) ** 2 / (1 + snr) - np.abs(z) ** 2)
    assert np.mean(density) == pytest.approx(capacity.awgn_capacity(es_n0_db), abs=5 * density.std() / samples**0.5)
    assert np.var(density) == pytest.approx(capacity.awgn_dispersion(es_n0_db), rel=0.02)


def binary_capacity(es_n0):
    """Capacity of BPSK at Es/N0 by adaptive integration over the LLR-like output, in bits."""
    sigma = math.sqrt(1 / (2 * es_n0))

    def lost(y):
        return norm.pdf(y, 1, sigma) * np.logaddexp(0, -2 * y / sigma**2) / math.log(2)

    return 1 - quad(lost, 1 - 10 * sigma, 1 + 10 * sigma, epsabs=1e-10)[0]


@pytest.mark.parametrize("es_n0_db", [-10.0, 0.0, 5.0])
def test_qpsk_has_the_capacity_of_two_binary_channels(es_n0_db):
    expected = 2 * binary_capacity(10 ** (es_n0_db / 10) / 2)
    assert capacity.qam_capacity(es_n0_db, 2) == pytest.approx(expected, abs=1e-5)
    assert capacity.bicm_capacity(es_n0_db, 2) == pytest.approx(expected, abs=1e-5)


def test_binary_rate_one_half_needs_the_published_0_187_db():
    """Richardson and Urbanke, "Modern Coding Theory": 0.187 dB Eb/N0; at QPSK rate 1/2, Es = Eb."""
    assert capacity.required_es_n0_db(1, 1, modulation_order=2) == pytest.approx(0.187, abs=0.001)


@pytest.mark.parametrize(("order", "es_n0_db"), [(2, 1.0), (4, 8.0), (6, 14.0), (8, 20.0)])
def test_qam_information_by_sampling_the_whole_constellation(order, es_n0_db):
    samples = 50_000
    rng = np.random.default_rng(order)
    side = np.arange(1 - 2 ** (order // 2), 2 ** (order // 2), 2)
    points = (side[:, None] + 1j * side[None, :]).ravel()
    points = points / math.sqrt(np.mean(np.abs(points) ** 2))
    n0 = 10 ** (-es_n0_db / 10)
    noise = (rng.standard_normal(samples) + 1j * rng.standard_normal(samples)) * math.sqrt(n0 / 2)
    sent = rng.choice(points, samples)
    distances = np.abs((sent + noise)[:, None] - points[None, :]) ** 2
    density = order - np.log2(np.exp((np.abs(noise)[:, None] ** 2 - distances) / n0).sum(axis=1))
    assert np.mean(density) == pytest.approx(
        capacity.qam_capacity(es_n0_db, order), abs=4 * density.std() / samples**0.5
    )
    assert np.var(density) == pytest.approx(capacity.qam_dispersion(es_n0_db, order), rel=0.05)


@pytest.mark.parametrize("order", [2, 4, 6, 8])
def test_capacities_are_ordered_bitwise_coded_gaussian(order):
    for es_n0_db in range(-20, 41, 5):
        coded, bitwise = capacity.qam_capacity(es_n0_db, order), capacity.bicm_capacity(es_n0_db, order)
        assert 0 < bitwise <= coded + 1e-9
        assert coded <= min(order, capacity.awgn_capacity(es_n0_db)) + 1e-9
    assert capacity.qam_capacity(60.0, order) == pytest.approx(order)
    assert capacity.qam_dispersion(60.0, order) == pytest.approx(0, abs=1e-9)


def test_bicm_capacity_agrees_with_the_links_demapper(chains):
    """BICM capacity from the demapper's own LLRs: 1 - E[log2(1 + exp(-llr of the sent bit))] per bit."""
    import torch

    from channel.phy.mcs import mcs, transport_block
    from channel.rng import draw_noise
    from channel.snr import noise_variance

    for index, es_n0_db in ((13, 6.0), (20, 11.0)):
        chain = chains.chain(mcs(index), transport_block(32, mcs(index)), bp_iterations=20, device="cpu")
        order, variance = mcs(index).modulation_order, noise_variance(es_n0_db)
        bits = np.random.default_rng(3).integers(0, 2, (1, 20_000 * order)).astype(np.float32)
        with torch.inference_mode():
            symbols = chain.modulate(torch.from_numpy(bits))
            noise = torch.from_numpy(draw_noise(3, 0, [0], symbols.shape[1], variance))
            llrs = chain.demap(symbols + noise, torch.tensor(variance)).numpy()
        lost = np.logaddexp(0, np.where(bits > 0, -llrs, llrs).astype(np.float64)).reshape(-1, order).sum(axis=1)
        lost /= math.log(2)
        expected = capacity.bicm_capacity(es_n0_db, order)
        assert order - np.mean(lost) == pytest.approx(expected, abs=4 * lost.std() / len(lost) ** 0.5)


def test_normal_approximation_by_hand():
    """S = 1, n = 500, eps = 1e-3: C = 1, V = 3/4 log2²(e), Q⁻¹(1e-3) = 3.0902."""
    expected = 1 - math.sqrt(0.75 / 500) * math.log2(math.e) * 3.0902 + math.log2(1000) / 1000
    assert capacity.normal_approximation_bler(500 * expected, 500, 0.0) == pytest.approx(1e-3, rel=1e-3)


@pytest.mark.parametrize("order", [0, 2, 6])
def test_bler_and_snr_of_the_normal_approximation_agree(order):
    uses, bits, es_n0_db = 800, 850, 1.0
    bler = capacity.normal_approximation_bler(bits, uses, es_n0_db, order)
    assert 1e-4 < bler < 0.1
    assert capacity.required_es_n0_db(bits, uses, bler, order) == pytest.approx(es_n0_db, abs=0.01)
    assert capacity.required_es_n0_db(bits, uses, None, order) < es_n0_db


def test_normal_approximation_approaches_capacity():
    """At 99.9 % of capacity longer blocks fail less, at 100.1 % more."""
    rate, lengths = capacity.awgn_capacity(5.0), (10_000, 100_000, 1_000_000, 10_000_000)
    below, above = (
        [capacity.normal_approximation_bler(share * rate * uses, uses, 5.0) for uses in lengths]
        for share in (0.999, 1.001)
    )
    assert below == sorted(below, reverse=True)
    assert above == sorted(above)
    assert below[-1] < 1e-3
    assert above[-1] > 0.999


def test_outage_by_sampling():
    power = np.random.default_rng(1).exponential(size=1_000_000)
    for rate, es_n0_db in ((1.0, 5.0), (3.0, 20.0)):
        sampled = np.mean(np.log2(1 + power * 10 ** (es_n0_db / 10)) < rate)
        assert capacity.rayleigh_outage(rate, es_n0_db) == pytest.approx(sampled, rel=0.05)


def test_capacity_functions_refuse_impossible_arguments():
    with pytest.raises(ConfigError, match="modulation_order = 3"):
        capacity.qam_capacity(0.0, 3)
    with pytest.raises(ConfigError, match=r"bler = 0"):
        capacity.required_es_n0_db(100, 100, 0.0)
    with pytest.raises(ConfigError, match="channel_uses = 0"):
        capacity.normal_approximation_bler(100, 0, 0.0)
    with pytest.raises(ConfigError, match=r"2.500 bits per channel use is more than"):
        capacity.required_es_n0_db(250, 100, 1e-3, 2)
