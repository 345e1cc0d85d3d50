"""The tables that residual tokens are coded by: how often each code follows the groups to its left and above it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from shared.residual.stream import CODES, GROUPS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from receiver.pocket.texture_codes import Codebook

TABLES = Path(__file__).parents[2] / "shared" / "residual" / "tables.npz"
TOTAL = 1 << 12
"""Approximate sum of the counts of a context; each code counts at least one."""
PRIOR = 8.0
"""Weight, in codes, of the frequencies without context."""


def write_tables(codebook: Codebook, codes: NDArray[np.uint8], path: Path = TABLES) -> float:
    """Write the tables for ``codes`` ``[N, rows, columns]``, and return the mean bits of a code by them."""
    groups = group_codes(codebook)
    counts, used = count_codes(groups, codes)
    np.savez(path, groups=groups, counts=counts)
    bits = -np.log2(counts / counts.sum(-1, keepdims=True))
    return float((bits * used).sum() / used.sum())


def group_codes(codebook: Codebook) -> NDArray[np.uint8]:
    """Return the group of each code ``[32]``: eight groups of four, by the first principal component of lost energy."""
    order = np.argsort(np.argsort(codebook.centres[:, 0], kind="stable"), kind="stable")
    groups: NDArray[np.uint8] = (order * GROUPS // CODES).astype(np.uint8)
    return groups


def count_codes(groups: NDArray[np.uint8], codes: NDArray[np.uint8]) -> tuple[NDArray[np.uint16], NDArray[np.float64]]:
    """Return the integer tables ``[9, 9, 32]``, and how often each was used."""
    left = np.full(codes.shape, GROUPS)
    above = left.copy()
    left[:, :, 1:], above[:, 1:] = groups[codes[:, :, :-1]], groups[codes[:, :-1]]
    used = np.zeros((GROUPS + 1, GROUPS + 1, CODES))
    np.add.at(used, (left.ravel(), above.ravel(), codes.ravel()), 1)
    share = (np.bincount(codes.ravel(), minlength=CODES) + 1) / (codes.size + CODES)
    smoothed = used + PRIOR * share
    scaled = smoothed / smoothed.sum(-1, keepdims=True) * TOTAL
    return np.maximum(np.rint(scaled), 1).astype(np.uint16), used
