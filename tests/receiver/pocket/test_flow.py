"""The sampler of the flow against the one of diffusers, and its noise."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from receiver.pocket.diffusers_import import AutoencoderDC  # noqa: F401 - makes diffusers importable
from receiver.pocket.flow import draw_noise, sample


@pytest.mark.parametrize("steps", [1, 2, 4])
def test_steps_equal_the_flow_matching_scheduler_of_diffusers(steps):
    from diffusers import FlowMatchEulerDiscreteScheduler

    source = draw_noise(1, (1, 16, 4, 6))[0]

    def velocity(latent, time):
        return latent.sin() * (1 + time[:, None, None, None])

    scheduler = FlowMatchEulerDiscreteScheduler(shift=1.0)
    scheduler.set_timesteps(sigmas=np.linspace(1, 1 / steps, steps))
    expected = source
    for timestep in scheduler.timesteps:
        expected = scheduler.step(velocity(expected, timestep[None] / 1000), timestep, expected).prev_sample
    assert torch.allclose(sample(velocity, source, steps), expected, atol=1e-5)


def test_a_straight_flow_ends_at_its_target_after_any_number_of_steps():
    source, target = draw_noise(1, (1, 16, 4, 4), (1, 16, 4, 4))
    for steps in (1, 2, 3, 4):
        end = sample(lambda latent, time: source - target, source, steps)
        assert torch.allclose(end, target, atol=1e-5)


def test_the_callback_gets_every_step():
    seen = []
    end = sample(lambda latent, time: latent, torch.ones(1, 1, 1, 1), 3, lambda *step: seen.append(step))
    assert [number for number, _ in seen] == [0, 1, 2]
    assert torch.equal(seen[-1][1], end)


def test_noise_depends_on_its_seed_only():
    first, second = draw_noise(5, (16, 8, 8), (16, 8, 8))
    torch.rand(7)
    assert torch.equal(draw_noise(5, (16, 8, 8))[0], first)
    assert not torch.equal(second, first)
    assert not torch.equal(draw_noise(6, (16, 8, 8))[0], first)
    assert abs(draw_noise(5, (16, 64, 64))[0].std() - 1) < 0.02
