"""The search for a quality: the budget is kept and used, in few encodings."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.hci.av1 import Av1Coder
from shared.hci.quality_search import find_by_drafts, find_highest_within
from shared.hci.stream import hci_candidates

QUALITIES = range(126)


def psnr_db(a, b):
    return 10 * np.log10(255**2 / np.mean((a.astype(float) - b) ** 2))


def sizes(first, slope, seed, wobble):
    """Return bytes by quality: exponential growth, each off by up to ``wobble``."""
    noise = np.random.default_rng(seed).uniform(1 - wobble, 1 + wobble, len(QUALITIES))
    return [max(1, int(first * 2 ** (slope * quality) * noise[quality])) for quality in QUALITIES]


@given(
    st.integers(4, 200),
    st.floats(0.03, 0.07),
    st.integers(0, 99),
    st.floats(0.7, 1.4),
    st.floats(0.01, 1.2),
    st.floats(0, 0.05),
)
def test_drafts_find_a_quality_that_fills_the_budget_in_few_encodings(first, slope, seed, ratio, share, wobble):
    real = sizes(first, slope, seed, wobble)
    drafts = [max(1, round(size / ratio)) for size in real]
    max_bytes = int(share * real[-1])
    encoded = []

    def encode(quality):
        encoded.append(quality)
        return bytes(real[quality])

    found = find_by_drafts(QUALITIES, max_bytes, lambda quality: drafts[quality], encode)
    assert found in encoded
    fitting = [size for size in real if size <= max_bytes]
    if not fitting:
        assert found == QUALITIES[0]
        return
    assert real[found] <= max_bytes
    largest = max(fitting)
    if largest > 200:
        assert real[found] > 0.85 * largest
        assert len(encoded) <= 6


@pytest.mark.parametrize("ratio", [0.8, 1.25])
def test_a_known_ratio_of_payloads_to_drafts_saves_encodings(ratio):
    real = sizes(10, 0.05, 0, 0.01)
    drafts = [round(size / ratio) for size in real]

    def count_encodings(usual_ratio):
        encoded = []

        def encode(quality):
            encoded.append(quality)
            return bytes(real[quality])

        found = find_by_drafts(QUALITIES, 300, lambda quality: drafts[quality], encode, usual_ratio)
        assert 0.95 * 300 <= real[found] <= 300
        return len(encoded)

    assert count_encodings(ratio) < count_encodings(1)


@given(st.integers(4, 200), st.floats(0.01, 0.07), st.floats(0.001, 1.2))
def test_without_drafts_the_highest_quality_that_fits_is_found(first, slope, share):
    real = sizes(first, slope, 0, 0)
    assert all(one <= other for one, other in pairwise(real))
    max_bytes = int(share * real[-1])
    fitting = [size for size in real if size <= max_bytes]
    payload = find_highest_within(QUALITIES, max_bytes, lambda quality: bytes(real[quality]))
    assert len(payload) == (max(fitting) if fitting else real[0])


@pytest.mark.parametrize("max_bytes", [140, 300, 900])
def test_av1_within_a_budget_sends_what_its_quality_codes_to(max_bytes):
    """The filters that only the result gets are those of ``encode``."""
    y, x = np.mgrid[:48, :64]
    small = np.stack([x * 4, y * 5, (x // 8 + y // 8) % 2 * 200], -1).astype(np.uint8)
    coder = Av1Coder(speed=6)
    payload = coder.encode_within(small, max_bytes)
    assert len(payload) <= max_bytes
    assert payload in [coder.encode(small, quality) for quality in coder.qualities]


def red_disc():
    """Return ``[48, 64, 3]`` with sharp edges between colours, and budgets."""
    y, x = np.mgrid[:48, :64]
    disc = (np.hypot(x - 40, y - 20) < 14)[..., None]
    small = np.where(disc, (200, 30, 40), np.stack([90 + x, 140 - y, 60 + 40 * (x // 8 % 2)], -1))
    return small.astype(np.uint8), (100, 140, 300, 600)


def noisy_waves():
    """Return ``[48, 64, 3]`` of one colour, and a budget between two 4:4:4 payloads that a 4:2:0 one fills."""
    y, x = np.mgrid[:48, :64]
    light = 100 + 60 * np.sin(x / 7) * np.cos(y / 5) + np.random.default_rng(0).normal(0, 9, (48, 64))
    return np.stack([light + 10, light, light - 10], -1).clip(0, 255).astype(np.uint8), (568,)


@pytest.mark.parametrize("make", [red_disc, noisy_waves])
def test_av1_within_a_budget_is_as_close_as_the_best_of_all_qualities(make):
    """Sizes do not rise steadily over both chroma formats: a search over both stopped at either by chance."""
    small, budgets = make()
    coder = Av1Coder(speed=8)

    def measure(payload):
        return len(payload), psnr_db(coder.decode(payload, 64, 48, grey=False), small)

    scan = [measure(coder.encode(small, quality)) for quality in coder.qualities]
    for max_bytes in budgets:
        size, found_db = measure(coder.encode_within(small, max_bytes))
        assert size <= max_bytes
        assert found_db > max(db for size, db in scan if size <= max_bytes) - 0.05


def test_av1_below_any_budget_returns_its_shortest_payload():
    small = np.random.default_rng(0).integers(0, 256, (24, 32, 3), np.uint8)
    coder = Av1Coder(speed=8)
    assert coder.encode_within(small, 4) == coder.encode(small, coder.qualities[0])


def test_no_scale_gives_no_candidates():
    assert hci_candidates(np.zeros((64, 64, 3), np.uint8), 100, coder="av1", steps=[99]) == []
