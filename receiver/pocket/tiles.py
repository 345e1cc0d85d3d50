"""Networks over pictures of any size: overlapping tiles, blended without seams."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Callable
    from fractions import Fraction

    from torch import Tensor


@dataclass(frozen=True)
class Tiling:
    """How an input is cut: whole up to ``side`` × ``side``, else into tiles of at most that, which overlap.

    All in positions of the input; tiles start and end at multiples of ``multiple`` (or at the input's end), which
    ``side`` and ``overlap`` are multiples of too. ``overlap`` is at most a quarter of ``side``, so that no more than
    two tiles of a row ever overlap.
    """

    side: int
    overlap: int
    multiple: int = 1

    def __post_init__(self) -> None:
        if not 0 < 4 * self.overlap <= self.side:
            raise ValueError(f"tiles of {self.side} that overlap by {self.overlap}: at most a quarter may")

    def spans(self, length: int) -> list[tuple[int, int]]:
        """Return start and end of every tile along a side of ``length``, of equal size and evenly spread."""
        if length <= self.side:
            return [(0, length)]
        count = -(-(length - self.overlap) // (self.side - self.overlap))
        size = self._rounded_up(-(-(length + (count - 1) * self.overlap) // count))
        last = length - size
        starts = [index * last // (count - 1) // self.multiple * self.multiple for index in range(count - 1)]
        return [(start, start + size) for start in starts] + [(last, length)]

    def _rounded_up(self, length: int) -> int:
        return -(-length // self.multiple) * self.multiple


def add_tiled(
    result: Tensor, function: Callable[[Tensor], Tensor], inputs: Tensor, tiling: Tiling, scale: Fraction
) -> Tensor:
    """Add ``function(inputs)`` to ``result`` in place, and return it.

    ``inputs`` is ``[B, C, H, W]``, ``result`` and what ``function`` returns ``[B, C', H * scale, W * scale]``. Where
    tiles overlap, their shares change smoothly from one to the other and sum to one.
    """
    height, width = inputs.shape[-2:]
    if height * width <= tiling.side**2:
        return result.add_(function(inputs))
    rows, columns = tiling.spans(height), tiling.spans(width)
    row_shares, column_shares = _shares(rows, scale, result), _shares(columns, scale, result)
    for (top, bottom), row_share in zip(rows, row_shares, strict=True):
        for (left, right), column_share in zip(columns, column_shares, strict=True):
            part = function(inputs[..., top:bottom, left:right])
            place = result[..., _at(top, scale) : _at(bottom, scale), _at(left, scale) : _at(right, scale)]
            place.addcmul_(part.to(place.dtype) * row_share[:, None], column_share)
    return result


def _shares(spans: list[tuple[int, int]], scale: Fraction, like: Tensor) -> list[Tensor]:
    """Return each tile's share ``[length * scale]``, of the type and device of ``like``."""
    bounds = [(_at(start, scale), _at(end, scale)) for start, end in spans]
    shares = [torch.ones(end - start, dtype=like.dtype, device=like.device) for start, end in bounds]
    for index in range(1, len(bounds)):
        overlap = bounds[index - 1][1] - bounds[index][0]
        ramp = (torch.arange(overlap, dtype=like.dtype, device=like.device) + 0.5) / overlap
        rise = ramp * ramp * (3 - 2 * ramp)
        shares[index - 1][-overlap:] = 1 - rise
        shares[index][:overlap] = rise
    return shares


def _at(position: int, scale: Fraction) -> int:
    return int(position * scale)
