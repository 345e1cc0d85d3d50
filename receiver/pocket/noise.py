"""Seeded noise."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor


def draw_noise(seed: int, *shapes: Sequence[int]) -> list[Tensor]:
    """Return standard normal noise of each shape, float32 on the CPU. It depends on ``seed`` and ``shapes`` only."""
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(tuple(shape), generator=generator) for shape in shapes]
