"""Lanczos resizing in floating point on any device, with the kernel of Pillow, which the sender uses."""

from __future__ import annotations

import functools

import numpy as np
import torch
from torch import Tensor

LOBES = 3
ROWS = 64
"""Output rows per matrix product. The matrix is banded: a block of output rows needs few input rows."""


def resize(planes: Tensor, width: int, height: int) -> Tensor:
    """Return ``planes`` ``[..., H, W]`` (float32) at ``[..., height, width]``, enlarged or reduced.

    Equals ``Image.resize(..., LANCZOS)`` of Pillow in mode "F"; 8-bit modes also round and clip.
    """
    rows = _resize_rows(planes, height)
    return _resize_rows(rows.transpose(-1, -2), width).transpose(-1, -2)


def _resize_rows(planes: Tensor, height: int) -> Tensor:
    """Return ``planes`` ``[..., H, W]`` at ``[..., height, W]``."""
    if planes.shape[-2] == height:
        return planes
    blocks = _blocks(planes.shape[-2], height)
    return torch.cat(
        [torch.from_numpy(w).to(planes.device) @ planes[..., a : a + w.shape[1], :] for a, w in blocks], -2
    )


@functools.lru_cache(maxsize=32)
def _blocks(before: int, after: int) -> list[tuple[int, np.ndarray]]:
    """Return the first input row and the weights ``[rows, input rows]`` for each block of output rows."""
    step = before / after
    stretch = max(step, 1.0)
    centres = (np.arange(after) + 0.5) * step
    first = np.maximum(np.floor(centres - LOBES * stretch + 0.5), 0).astype(int)
    end = np.minimum(np.floor(centres + LOBES * stretch + 0.5), before).astype(int)
    blocks = []
    for top in range(0, after, ROWS):
        chosen = slice(top, min(top + ROWS, after))
        start, stop = int(first[chosen][0]), int(end[chosen][-1])
        places = np.arange(start, stop)
        weights = _lanczos((places + 0.5 - centres[chosen, None]) / stretch)
        weights[(places < first[chosen, None]) | (places >= end[chosen, None])] = 0
        weights /= weights.sum(1, keepdims=True)
        blocks.append((start, weights.astype(np.float32)))
    return blocks


def _lanczos(x: np.ndarray) -> np.ndarray:
    values: np.ndarray = np.where(np.abs(x) < LOBES, np.sinc(x) * np.sinc(x / LOBES), 0.0)
    return values
