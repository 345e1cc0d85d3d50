"""Arrays to tensors and back."""

import numpy as np
import torch

from shared.pixels import grey_to_rgb, to_pixels, to_tensor


def random_pixels(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, shape, np.uint8)


def test_grey_becomes_three_equal_channels_and_colour_stays() -> None:
    grey, colour = random_pixels(5, 7), random_pixels(5, 7, 3)
    assert grey_to_rgb(colour) is colour
    assert all(np.array_equal(grey_to_rgb(grey)[..., channel], grey) for channel in range(3))


def test_converting_to_a_tensor_and_back_keeps_every_level() -> None:
    levels = np.arange(256, dtype=np.uint8).reshape(16, 16)
    colour = np.stack([levels, levels.T, levels[::-1]], axis=2)
    tensor = to_tensor(colour)
    assert (tensor.shape, tensor.dtype) == ((3, 16, 16), torch.float32)
    assert tensor[0, 15, 15] == 1
    assert np.array_equal(to_pixels(tensor), colour)
    assert np.array_equal(to_pixels(to_tensor(levels), grey=True), levels)


def test_read_only_pixels_are_accepted() -> None:
    pixels = random_pixels(4, 4, 3)
    pixels.flags.writeable = False
    assert np.array_equal(to_pixels(to_tensor(pixels)), pixels)


def test_values_are_clipped_and_grey_is_the_mean() -> None:
    picture = torch.tensor([0.1, 0.2, 0.6]).view(3, 1, 1).expand(3, 2, 4)
    assert to_pixels(picture, grey=True).tolist() == [[76] * 4] * 2  # 0.3 of 255 is 76.5, which rounds to even
    assert to_pixels(picture)[0, 0].tolist() == [26, 51, 153]
    assert to_pixels(picture * 9 - 1)[0, 0].tolist() == [0, 204, 255]
