from __future__ import annotations

import hashlib
from itertools import pairwise

import numpy as np
import pytest
import torch
from scipy.stats import binomtest, chi2, ks_2samp, kstest

from channel.rng import Purpose, draw_noise, is_erased, packet_generator


def test_golden_noise():
    noise = draw_noise(1, 2, [3, 4], 1000, 0.5)
    digest = hashlib.sha256(noise.astype("<c8").tobytes()).hexdigest()
    assert digest == "9de4caf79157f9c3124db63c7d0a456af58c26127a80e69baab9ba5f6f3c4bd6"


def test_noise_of_a_packet_does_not_depend_on_other_packets():
    together = draw_noise(7, 1, [0, 1, 2, 99], 64, 1.0)
    for row, index in zip(together, [0, 1, 2, 99], strict=True):
        assert np.array_equal(row, draw_noise(7, 1, [index], 64, 1.0)[0])


def test_a_longer_packet_begins_with_the_same_noise():
    assert np.array_equal(draw_noise(7, 1, [5], 64, 1.0)[0], draw_noise(7, 1, [5], 640, 1.0)[0, :64])


def test_every_part_of_the_key_changes_the_draws_and_streams_do_not_overlap():
    keys = [(0, 0, 0), (1, 0, 0), (0, 1, 0), (0, 0, 1), (2**64 - 1, 0, 0), (0, 2**64 - 1, 0), (0, 0, 2**64 - 1)]
    keys += [(2**32, 0, 0), (0, 2**32, 0), (0, 0, 2**32)]
    draws = [packet_generator(*key, purpose).random(256) for key in keys for purpose in Purpose]
    assert len({value for draw in draws for value in draw}) == 256 * len(draws)


@pytest.mark.usefixtures("seeded_sionna")
def test_variance_is_per_complex_symbol_split_evenly_as_in_sionna():
    from sionna.phy.channel import AWGN

    variance, symbols = 0.3, 200_000
    ours = draw_noise(11, 0, range(10), symbols // 10, variance).ravel()
    zeros = torch.zeros(symbols, dtype=torch.complex64)
    theirs = AWGN(device="cpu")(zeros, torch.tensor(variance)).numpy()
    for part in (ours.real, ours.imag):
        low, high = np.array(chi2.interval(0.9999, symbols)) / symbols * variance / 2
        assert low < np.mean(part.astype(np.float64) ** 2) < high
        assert kstest(part, "norm", args=(0, np.sqrt(variance / 2))).pvalue > 1e-4
        assert ks_2samp(part, theirs.real).pvalue > 1e-4
    assert abs(np.corrcoef(ours.real, ours.imag)[0, 1]) < 4 / np.sqrt(symbols)


def test_noise_of_neighbouring_packets_is_uncorrelated():
    rows = draw_noise(0, 0, range(20), 10_000, 1.0)
    for one, other in pairwise(rows):
        assert abs(np.vdot(one, other)) / 10_000 < 5 / np.sqrt(10_000)


@pytest.mark.parametrize("rate", [0.01, 0.3, 0.9])
def test_erasures_come_at_their_rate(rate):
    erased = sum(is_erased(5, picture, packet, rate) for picture in range(20) for packet in range(500))
    assert binomtest(erased, 10_000, rate).pvalue > 1e-3


def test_erasure_rate_zero_and_one_are_certain():
    assert not any(is_erased(5, 0, packet, 0.0) for packet in range(1000))
    assert all(is_erased(5, 0, packet, 1.0) for packet in range(1000))


def test_a_higher_rate_erases_a_superset():
    few = {packet for packet in range(1000) if is_erased(5, 0, packet, 0.1)}
    many = {packet for packet in range(1000) if is_erased(5, 0, packet, 0.3)}
    assert few < many
