"""The coding order of a channel's samples, and their contexts: the samples that are coded before them.

A channel is coded coarse to fine: first every eighth sample, then the centres of the squares between coded samples,
then the centres of their edges, and so on. So most samples have coded neighbours on all sides, and all samples of one
step are coded at once. Channels are coded one after the other. All arithmetic is in integers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Integers = NDArray[np.int64]

COARSEST: Final = 8
_NEAR_DIAGONAL = ((-1, -1), (-1, 1), (1, -1), (1, 1))
_FAR_DIAGONAL = ((-1, -3), (-1, 3), (1, -3), (1, 3), (-3, -1), (-3, 1), (3, -1), (3, 1))
_NEAR_CROSS = ((-1, 0), (1, 0), (0, -1), (0, 1))
_FAR_CROSS = ((-1, -2), (-1, 2), (1, -2), (1, 2), (-2, -1), (-2, 1), (2, -1), (2, 1))
NEIGHBOURS: Final = 12
"""Coded samples of the same channel that predict the next one; all zero in the first step."""


@dataclass(frozen=True)
class CodingStep:
    """The samples that are coded at once, on a lattice. ``offsets`` point to the coded samples around each."""

    spacing: int
    diagonal: bool
    offsets: tuple[tuple[int, int], ...]

    def places(self, height: int, width: int) -> tuple[Integers, Integers]:
        """Return rows and columns ``[n]`` of this step's samples in a channel, row by row."""
        row, column = np.mgrid[0:height, 0:width]
        if not self.offsets:
            chosen = (row % COARSEST == 0) & (column % COARSEST == 0)
        elif self.diagonal:
            chosen = (row % (2 * self.spacing) == self.spacing) & (column % (2 * self.spacing) == self.spacing)
        else:
            on_lattice = (row % self.spacing == 0) & (column % self.spacing == 0)
            chosen = on_lattice & ((row + column) // self.spacing % 2 == 1)
        rows, columns = np.nonzero(chosen)
        return rows, columns


def _steps() -> tuple[CodingStep, ...]:
    steps = [CodingStep(COARSEST, diagonal=True, offsets=())]
    spacing = COARSEST // 2
    while spacing:
        for diagonal, near, far in ((True, _NEAR_DIAGONAL, _FAR_DIAGONAL), (False, _NEAR_CROSS, _FAR_CROSS)):
            offsets = tuple((spacing * down, spacing * right) for down, right in (*near, *far))
            steps.append(CodingStep(spacing, diagonal, offsets))
        spacing //= 2
    return tuple(steps)


STEPS: Final = _steps()


def neighbours(samples: Integers, step: CodingStep, rows: Integers, columns: Integers) -> Integers:
    """Return the coded samples ``[..., n, 12]`` around the given places of ``samples`` ``[..., h, w]``.

    The opposite sample, which is on the same lattice, replaces a neighbour outside the channel; if that is outside as
    well, 0 does.
    """
    height, width = samples.shape[-2:]
    around = np.zeros((*samples.shape[:-2], len(rows), NEIGHBOURS), np.int64)
    for index, (down, right) in enumerate(step.offsets):
        row, row_inside = _reflect(rows, down, height)
        column, column_inside = _reflect(columns, right, width)
        around[..., index] = samples[..., row, column] * (row_inside & column_inside)
    return around


def cross_channel_sums(samples: Integers) -> tuple[Integers, Integers]:
    """Return the context that coded channels ``[..., h, w]`` give to the next one.

    The results are signed and absolute values, ``[..., h, w, 2]`` each: the sample itself, and the sum of its four
    neighbours (0 outside).
    """
    padded = np.pad(samples, [(0, 0)] * (samples.ndim - 2) + [(1, 1), (1, 1)])
    magnitude = np.abs(padded)
    return _add_cross(padded), _add_cross(magnitude)


def _add_cross(padded: Integers) -> Integers:
    beside = padded[..., :-2, 1:-1] + padded[..., 2:, 1:-1] + padded[..., 1:-1, :-2] + padded[..., 1:-1, 2:]
    return np.stack([padded[..., 1:-1, 1:-1], beside], axis=-1)


def _reflect(places: Integers, offset: int, size: int) -> tuple[Integers, NDArray[np.bool_]]:
    """Return ``places + offset``, or ``places - offset`` where that is outside 0..size-1, and whether it is inside."""
    moved = places + offset
    moved = np.where((moved >= 0) & (moved < size), moved, places - offset)
    inside = (moved >= 0) & (moved < size)
    return np.where(inside, moved, 0), inside
