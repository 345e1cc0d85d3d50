"""Data consistency with the HCI, and its resizing, against Pillow, which the sender uses."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from receiver.pocket.data_consistency import default_fidelity, project_to_hci
from receiver.pocket.lanczos import resize
from shared.hci.stream import downsample
from shared.pixels import to_pixels, to_tensor


def with_pillow(plane: np.ndarray, width: int, height: int) -> np.ndarray:
    return np.asarray(Image.fromarray(plane).resize((width, height), Image.Resampling.LANCZOS))


@settings(max_examples=60, deadline=None)
@given(
    before=st.tuples(st.integers(1, 150), st.integers(1, 150)),
    after=st.tuples(st.integers(1, 150), st.integers(1, 150)),
    seed=st.integers(0, 9),
)
def test_resizing_equals_pillow(before, after, seed):
    plane = np.random.default_rng(seed).uniform(0, 255, before).astype(np.float32)
    made = resize(torch.from_numpy(plane), *after).numpy()
    assert np.abs(made - with_pillow(plane, *after)).max() < 2e-3


@pytest.mark.parametrize("scale", [2, 3, 4, 6, 8, 16])
def test_down_sampling_equals_the_sender_within_one_level(synthetic_pixels, scale):
    pixels = synthetic_pixels(203, 150)
    small = downsample(pixels, scale)
    made = resize(to_tensor(pixels), small.shape[1], small.shape[0])
    assert ((made - to_tensor(small)).abs() * 255).max() < 1.01


@pytest.mark.parametrize("scale", [1, 2, 3, 4, 6, 8])
@pytest.mark.parametrize("grey", [False, True])
def test_at_full_fidelity_the_down_sampled_picture_is_the_hci(synthetic_pixels, scale, grey):
    received = downsample(synthetic_pixels(203, 150, grey=grey), scale)
    other = to_tensor(synthetic_pixels(203, 150, grey=grey, seed=5))
    made = to_pixels(project_to_hci(other, to_tensor(received), 1.0), grey=grey)
    error = np.abs(downsample(made, scale).astype(int) - received)
    assert error.mean() < 1
    assert np.percentile(error, 99) <= 4


def test_the_default_fidelity_is_higher_for_a_finer_hci():
    defaults = [default_fidelity(scale, 0.25) for scale in (1, 2, 3, 4, 5, 16)]
    assert defaults == pytest.approx([1, 3 / 4, 1 / 3, 1 / 4, 1 / 4, 1 / 4])
    assert [default_fidelity(scale, 1.0) for scale in (1, 4, 16)] == [1, 1, 1]


def test_half_the_fidelity_moves_half_of_the_way(synthetic_pixels):
    received = to_tensor(downsample(synthetic_pixels(96, 64), 4))
    other = to_tensor(synthetic_pixels(96, 64, seed=5))
    ends = project_to_hci(other, received, 0.0), project_to_hci(other, received, 1.0)
    assert torch.equal(ends[0], other)
    assert torch.allclose(project_to_hci(other, received, 0.5), (ends[0] + ends[1]) / 2, atol=1e-6)


def test_a_picture_that_agrees_does_not_change(synthetic_pixels):
    picture = to_tensor(synthetic_pixels(96, 64))
    small = resize(picture, 24, 16)
    assert torch.allclose(project_to_hci(picture, small, 1.0), picture, atol=1e-5)
