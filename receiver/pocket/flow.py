"""The rectified flow (Liu et al. 2023): seeded noise, and Euler steps from the source to the picture's latent."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from torch import Tensor


def draw_noise(seed: int, *shapes: Sequence[int]) -> list[Tensor]:
    """Return standard normal noise of each shape, float32 on the CPU. It depends on ``seed`` and ``shapes`` only."""
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(tuple(shape), generator=generator) for shape in shapes]


def sample(
    velocity: Callable[[Tensor, Tensor], Tensor],
    source: Tensor,
    steps: int,
    callback: Callable[[int, Tensor], None] | None = None,
) -> Tensor:
    """Return the latent ``[B, C, h, w]`` after ``steps`` Euler steps from ``source``, at time 1, to time 0.

    ``velocity`` takes a latent and its time ``[B]`` and returns d latent / d time (Liu et al. 2023, rectified flow).
    The steps are those of ``FlowMatchEulerDiscreteScheduler`` of diffusers with shift 1. ``callback`` is called after
    every step with the number of the step, from 0, and the latent.
    """
    times = torch.linspace(1, 0, steps + 1).tolist()
    latent = source
    for step in range(steps):
        time = torch.full((len(latent),), times[step], device=latent.device)
        latent = latent + (times[step + 1] - times[step]) * velocity(latent, time)
        if callback is not None:
            callback(step, latent)
    return latent
