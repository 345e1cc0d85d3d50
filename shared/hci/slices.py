"""The slices of a highly compressed image (HCI): cells of a grid over the small picture, which decode alone.

Each slice is an HCI payload of its own (``shared.hci.stream``), all of them at one scale. The grid follows from the
number of slices and the size of the picture, so it is not sent. See ``docs/hci.md``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import TYPE_CHECKING, Final

import numpy as np

from shared.errors import BitstreamError
from shared.hci.coder import MIN_SMALL_SIDE
from shared.hci.stream import HciImage, decode_small, read_params, small_size

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray


BLOCK: Final = 16
KEPT_SLICES: Final = 64
"""Number of decoded slices that are kept: those of a few pictures."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell of the grid, in pixels of the small picture: columns ``left`` to ``right``, rows ``top`` to ``bottom``.

    ``right`` and ``bottom`` are the first ones outside.
    """

    left: int
    top: int
    right: int
    bottom: int

    @property
    def width(self) -> int:
        """Number of columns."""
        return self.right - self.left

    @property
    def height(self) -> int:
        """Number of rows."""
        return self.bottom - self.top

    def cut(self, small: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Return this part of ``small`` ``[h, w, ...]``, which it is a view of."""
        return small[self.top : self.bottom, self.left : self.right]


@dataclass(frozen=True, slots=True)
class SlicedImage:
    """What arrived of an HCI in slices.

    ``image`` is zero where a slice is missing. ``received`` ``[h, w]`` is true where there is a slice. ``damaged``:
    at least one slice arrived but does not decode.
    """

    image: HciImage
    received: NDArray[np.bool_]
    damaged: bool


SLICE_CODERS: Final = ("learned", "av1")
"""Coders of slices, the better one first: the learned coder loses little where its context restarts."""


def grid_shape(count: int, width: int, height: int) -> tuple[int, int]:
    """Return columns and rows of the grid of ``count`` cells whose cells are the nearest to squares."""
    pairs = [(columns, count // columns) for columns in range(1, count + 1) if count % columns == 0]
    return min(pairs, key=lambda pair: abs(math.log(width * pair[1] / (height * pair[0]))))


def grid_cells(count: int, width: int, height: int) -> list[Cell]:
    """Return the ``count`` cells of a small picture of ``width`` × ``height`` pixels, row by row.

    Their bounds are multiples of 16 pixels, the step of the learned coder's latent, so that no slice codes a padded
    block more than the whole picture would.

    Raises:
        BitstreamError: a cell would be smaller than the smallest picture that a coder codes.
    """
    columns, rows = grid_shape(count, width, height)
    across, down = _edges(columns, width), _edges(rows, height)
    cells = [Cell(left, top, right, bottom) for top, bottom in pairwise(down) for left, right in pairwise(across)]
    if any(min(cell.width, cell.height) < MIN_SMALL_SIDE for cell in cells):
        raise BitstreamError(
            f"{count} slices of a small picture of {width}x{height}: a side of one is below {MIN_SMALL_SIDE} pixels"
        )
    return cells


def decode_slices(slices: Sequence[bytes], width: int, height: int, *, grey: bool = False) -> SlicedImage | None:
    """Return what ``slices`` hold of the HCI of a picture of ``width`` × ``height`` pixels; None if none decodes.

    A missing slice is b"". A slice that does not decode, or has another scale than the first one that does, counts as
    missing.
    """
    found: SlicedImage | None = None
    damaged = False
    for index, data in enumerate(slices):
        if not data:
            continue
        try:
            coder, scale = _read_slice_params(data)
            across, down = small_size(width, height, scale)
            cell = grid_cells(len(slices), across, down)[index]
            pixels = _decode_slice(data, cell.width, cell.height, grey)
        except BitstreamError:
            damaged = True
            continue
        if found is None:
            blank = np.zeros((down, across) if grey else (down, across, 3), np.uint8)
            found = SlicedImage(HciImage(blank, coder, scale), np.zeros((down, across), bool), damaged=False)
        if scale != found.image.scale:
            damaged = True
            continue
        cell.cut(found.image.pixels)[...] = pixels
        found.received[cell.top : cell.bottom, cell.left : cell.right] = True
    return None if found is None else SlicedImage(found.image, found.received, damaged)


def _read_slice_params(data: bytes) -> tuple[str, int]:
    coder, scale = read_params(data)
    if coder not in SLICE_CODERS:
        raise BitstreamError(f"no slice is coded by {coder}; {', '.join(SLICE_CODERS)} code them")
    return coder, scale


@lru_cache(maxsize=KEPT_SLICES)
def _decode_slice(data: bytes, width: int, height: int, grey: bool) -> NDArray[np.uint8]:
    """Return the pixels of a slice. While a picture arrives, its slices are asked for after every packet."""
    pixels = decode_small(data, width, height, grey=grey)
    pixels.flags.writeable = False  # shared by all callers
    return pixels


def _edges(parts: int, size: int) -> list[int]:
    """Return the bounds of ``parts`` nearly equal parts of 0 to ``size``."""
    blocks = -(-size // BLOCK)
    return [min(size, BLOCK * ((2 * part * blocks + parts) // (2 * parts))) for part in range(parts + 1)]
