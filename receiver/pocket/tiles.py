"""Runs a network on pictures of any size: overlapping tiles, blended without seams."""

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
    """How an input is cut: not at all up to ``side`` × ``side`` positions, else into overlapping tiles of at most that.

    Tiles start and end at multiples of ``multiple``, or at the end of the input. ``side`` and ``overlap`` are multiples
    of it too. ``overlap`` is at most a quarter of ``side``, so that at most two tiles of a row overlap at one place.
    """

    side: int
    overlap: int
    multiple: int = 1

    def __post_init__(self) -> None:
        if not 0 < 4 * self.overlap <= self.side:
            raise ValueError(f"tiles of {self.side} overlap by {self.overlap}: give at most a quarter")

    def spans(self, length: int) -> list[tuple[int, int]]:
        """Return start and end of every tile along a side of ``length``; tiles have equal sizes and even distances."""
        if length <= self.side:
            return [(0, length)]
        count = -(-(length - self.overlap) // (self.side - self.overlap))
        size = self._round_up(-(-(length + (count - 1) * self.overlap) // count))
        last = length - size
        starts = [index * last // (count - 1) // self.multiple * self.multiple for index in range(count - 1)]
        return [(start, start + size) for start in starts] + [(last, length)]

    def _round_up(self, length: int) -> int:
        return -(-length // self.multiple) * self.multiple


def add_tiled(
    result: Tensor, function: Callable[[Tensor], Tensor], inputs: Tensor, tiling: Tiling, scale: Fraction
) -> Tensor:
    """Add ``function(inputs)`` to ``result`` in place, and return it.

    ``inputs`` is ``[B, C, H, W]``, ``result`` and what ``function`` returns ``[B, C', H * scale, W * scale]``. Where
    tiles overlap, their weights change smoothly and sum to one.
    """
    height, width = inputs.shape[-2:]
    if height * width <= tiling.side**2:
        return result.add_(function(inputs))
    rows, columns = tiling.spans(height), tiling.spans(width)
    row_weights, column_weights = _weights(rows, scale, result), _weights(columns, scale, result)
    for (top, bottom), row_weight in zip(rows, row_weights, strict=True):
        for (left, right), column_weight in zip(columns, column_weights, strict=True):
            part = function(inputs[..., top:bottom, left:right])
            place = result[..., _at(top, scale) : _at(bottom, scale), _at(left, scale) : _at(right, scale)]
            place.addcmul_(part.to(place.dtype) * row_weight[:, None], column_weight)
    return result


def _weights(spans: list[tuple[int, int]], scale: Fraction, like: Tensor) -> list[Tensor]:
    """Return the weights ``[length * scale]`` of each tile, with the type and device of ``like``."""
    bounds = [(_at(start, scale), _at(end, scale)) for start, end in spans]
    weights = [torch.ones(end - start, dtype=like.dtype, device=like.device) for start, end in bounds]
    for index in range(1, len(bounds)):
        overlap = bounds[index - 1][1] - bounds[index][0]
        ramp = (torch.arange(overlap, dtype=like.dtype, device=like.device) + 0.5) / overlap
        rise = ramp * ramp * (3 - 2 * ramp)
        weights[index - 1][-overlap:] = 1 - rise
        weights[index][:overlap] = rise
    return weights


def _at(position: int, scale: Fraction) -> int:
    return int(position * scale)
