"""The rectified flow: where it starts, and Euler's steps from there to the picture's latent."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from torch import Tensor


def noises(seed: int, *shapes: Sequence[int]) -> list[Tensor]:
    """Return standard normal noise of each shape, float32 on the CPU; it depends on ``seed`` and ``shapes`` alone."""
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(tuple(shape), generator=generator) for shape in shapes]


def sample(
    velocity: Callable[[Tensor, Tensor], Tensor],
    source: Tensor,
    steps: int,
    callback: Callable[[int, Tensor], None] | None = None,
) -> Tensor:
    """Return the end ``[B, C, h, w]`` of the flow that starts at ``source`` at time 1, after ``steps`` Euler steps.

    ``velocity`` takes a latent and its time ``[B]`` and returns d latent / d time (Liu et al. 2023, rectified flow;
    what diffusers' ``FlowMatchEulerDiscreteScheduler`` does with shift 1). ``callback`` is called after every step with
    its number, from 0, and the latent.
    """
    times = torch.linspace(1, 0, steps + 1).tolist()
    latent = source
    for step in range(steps):
        time = torch.full((len(latent),), times[step], device=latent.device)
        latent = latent + (times[step + 1] - times[step]) * velocity(latent, time)
        if callback is not None:
            callback(step, latent)
    return latent
