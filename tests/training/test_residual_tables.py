"""The tables of the residual tokens, counted over made-up codes."""

from __future__ import annotations

import numpy as np

from receiver.pocket.texture_codes import Codebook
from shared.residual.stream import CODES, GROUPS


def make_codebook():
    centres = np.random.default_rng(0).permutation(CODES).astype(np.float32)[:, None].repeat(10, 1)
    return Codebook(np.zeros(448, np.float32), np.zeros((448, 10), np.float32), centres)


def test_a_group_is_four_codes_that_lost_about_as_much():
    from training.pocket.residual_tables import group_codes

    codebook = make_codebook()
    groups = group_codes(codebook)
    assert np.bincount(groups).tolist() == [CODES // GROUPS] * GROUPS
    for group in range(GROUPS - 1):
        assert codebook.centres[groups == group, 0].max() < codebook.centres[groups == group + 1, 0].min()


def test_likely_neighbours_take_fewer_bits(tmp_path):
    from training.pocket.residual_tables import write_tables

    codebook, rng = make_codebook(), np.random.default_rng(1)
    flat = rng.integers(0, CODES, (300, 1, 1)).repeat(7, 1).repeat(7, 2).astype(np.uint8)  # one code for each picture
    mixed = rng.integers(0, CODES, (300, 7, 7)).astype(np.uint8)
    bits = [write_tables(codebook, codes, tmp_path / "tables.npz") for codes in (flat, mixed)]
    assert bits[0] < 2.6
    assert 4.7 < bits[1] < 5.1
    with np.load(tmp_path / "tables.npz") as tables:
        assert tables["counts"].shape == (GROUPS + 1, GROUPS + 1, CODES)
        assert tables["counts"].min() >= 1
