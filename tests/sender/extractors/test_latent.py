"""The latent encoder, and the choice of channels to send."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from sender.extractors.latent import STRIP_ROWS, LatentEncoder, select_channels
from sender.extractors.latent_selection import ssim_scores
from shared.errors import ConfigError, PictureError, SetupError


@pytest.fixture(scope="module")
def encoder():
    return LatentEncoder()


@pytest.mark.parametrize(("width", "height"), [(64, 64), (100, 75), (17, 300), (1, 1)])
def test_channels_have_a_sixteenth_of_the_size_rounded_up(encoder, synthetic_pixels, width, height):
    values = encoder.values(synthetic_pixels(width, height))
    assert values.shape == (32, -(-height // 16), -(-width // 16))
    assert values.dtype == np.int16


def test_channels_depend_on_the_picture_and_repeat_exactly(encoder, synthetic_pixels):
    pixels = synthetic_pixels(256, 192)
    values = encoder.values(pixels)
    assert np.array_equal(values, LatentEncoder().values(pixels))
    assert values.any(axis=(1, 2)).sum() >= 8
    assert np.abs(values).max() < 60


def test_grey_counts_as_three_equal_colour_channels(encoder, synthetic_pixels):
    grey = synthetic_pixels(96, 64, grey=True)
    assert np.array_equal(encoder.values(grey), encoder.values(np.repeat(grey[..., None], 3, axis=2)))


def test_strips_give_the_same_channels_as_the_complete_picture(encoder, synthetic_pixels):
    pixels = synthetic_pixels(48, 16 * (2 * STRIP_ROWS + 5))
    whole = encoder._analysis(torch.from_numpy(pixels.transpose(2, 0, 1)[None].astype(np.float32) / 255))[0]
    assert np.abs(encoder.values(pixels) - whole.numpy()).max() < 0.51


@pytest.mark.parametrize("pixels", [np.zeros((8, 8)), np.zeros((8, 8, 4), np.uint8), np.zeros((0, 8, 3), np.uint8)])
def test_not_a_picture(encoder, pixels):
    with pytest.raises(PictureError, match="uint8"):
        encoder.values(pixels)


def planes_like(pixels):
    """Channels of noise, except 7, the inverted luminance of the picture, and 9, which is half as similar."""
    rng = np.random.default_rng(0)
    blocks = pixels.mean(axis=2).reshape(pixels.shape[0] // 16, 16, pixels.shape[1] // 16, 16).mean((1, 3))
    values = rng.integers(-3, 4, (32, *blocks.shape))
    values[7] = np.rint((128 - blocks) / 8)
    values[9] = np.rint((blocks - 128) / 8) + rng.integers(-3, 4, blocks.shape)
    return values.astype(np.int16)


def test_channels_most_similar_to_the_picture_come_first_whatever_their_sign(synthetic_pixels):
    pixels = synthetic_pixels(256, 256)
    values = planes_like(pixels)
    assert select_channels(values, pixels, 2) == (7, 9)
    assert select_channels(values, pixels, 16)[:2] == (7, 9)
    assert len(set(select_channels(values, pixels, 16))) == 16


def test_a_constant_channel_scores_lowest():
    grey = torch.rand(1, 1, 32, 32, generator=torch.Generator().manual_seed(0))
    planes = torch.cat([torch.ones(1, 1, 8, 8), torch.nn.functional.avg_pool2d(grey, 4)], dim=1)
    scores = ssim_scores(planes, grey)
    assert scores[0, 0] == -1
    assert 0 < scores[0, 1] <= 1


def test_a_picture_compared_with_itself_scores_one():
    grey = torch.rand(1, 1, 32, 32, generator=torch.Generator().manual_seed(0))
    assert ssim_scores(-3 * grey, grey) == pytest.approx(1, abs=1e-4)


@pytest.mark.parametrize("count", [0, 3, 32])
def test_other_numbers_of_channels_raise(synthetic_pixels, count):
    pixels = synthetic_pixels(64, 64)
    with pytest.raises(ConfigError, match="1, 2, 4, 8, 16"):
        select_channels(planes_like(pixels), pixels, count)


def test_the_latent_of_another_picture_raises(synthetic_pixels):
    with pytest.raises(ConfigError, match="64x80"):
        select_channels(np.zeros((32, 4, 4), np.int16), synthetic_pixels(64, 80), 1)


def test_missing_and_damaged_weights_raise(tmp_path):
    with pytest.raises(SetupError, match="no weights"):
        LatentEncoder(tmp_path / "none")
    (tmp_path / "noise").write_bytes(bytes(1000))
    with pytest.raises(SetupError, match="damaged"):
        LatentEncoder(tmp_path / "noise")
