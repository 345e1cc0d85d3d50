"""The trust map is high where detail was received, and low where it is invented or contradicts the HCI."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch

from receiver.pocket.trust import trust_map
from shared.hci.stream import downsample, upsample
from shared.pixels import to_tensor

WIDTH, HEIGHT = 320, 240
PLACE = np.s_[..., 96:128, 160:192]
BLOCKS = np.s_[6:8, 10:12]


@pytest.fixture(params=[3, 4, 8])
def hci(request, synthetic_pixels):
    return to_tensor(downsample(synthetic_pixels(WIDTH, HEIGHT), request.param))


@pytest.fixture
def upsampled(hci):
    small = (hci * 255).round().to(torch.uint8).permute(1, 2, 0).contiguous().numpy()
    return to_tensor(upsample(small, WIDTH, HEIGHT))


def noise(amplitude: float) -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    return amplitude / 255 * torch.randn(3, HEIGHT, WIDTH, generator=generator)


def far_from_the_place(reach_blocks: int = 3) -> np.ndarray:
    """True for the blocks outside the reach of every kernel at ``PLACE``."""
    mask = np.ones((HEIGHT // 16, WIDTH // 16), bool)
    mask[6 - reach_blocks : 8 + reach_blocks, 10 - reach_blocks : 12 + reach_blocks] = False
    return mask


def test_the_up_sampled_hci_has_full_trust(hci, upsampled):
    trust = trust_map(upsampled, hci)
    assert trust.dtype == torch.uint8
    assert trust.shape == (HEIGHT // 16, WIDTH // 16)
    assert trust.min() > 240
    assert trust.float().mean() > 250


def test_noise_lowers_trust_only_where_it_is(hci, upsampled):
    before = trust_map(upsampled, hci).numpy().astype(int)
    falling = [before[BLOCKS]]
    for amplitude in (4, 8, 16, 32):
        noisy = upsampled.clone()
        noisy[PLACE] += noise(amplitude)[PLACE]
        trust = trust_map(noisy, hci).numpy().astype(int)
        falling.append(trust[BLOCKS])
        assert np.array_equal(trust[far_from_the_place()], before[far_from_the_place()])
        assert (before - trust)[BLOCKS].min() > (before - trust)[far_from_the_place()].max()
    assert all((after < earlier).all() for earlier, after in pairwise(falling))
    assert falling[-1].max() < 128


def test_contradicting_the_hci_lowers_trust(hci, upsampled):
    means = []
    for levels in (0, 4, 8, 16, 32):
        shifted = upsampled.clone()
        shifted[PLACE] += levels / 255
        means.append(float(trust_map(shifted, hci)[BLOCKS].float().mean()))
    assert all(after < before for before, after in pairwise(means))
    assert means[-1] < 40


def test_texture_has_more_trust_where_detail_was_received():
    rows, columns = np.mgrid[0:HEIGHT, 0:WIDTH]
    received = 128 + 60 * np.sin(columns / 6) * (columns >= WIDTH // 2) + 0 * rows
    pixels = np.repeat(received[..., None], 3, 2).astype(np.uint8)
    hci = to_tensor(downsample(pixels, 4))
    trust = trust_map(to_tensor(pixels) + noise(8), hci).float()
    assert trust[:, 12:].mean() > 2 * trust[:, :8].mean()


def test_without_an_hci_the_trust_is_zero():
    trust = trust_map(torch.rand(3, 100, 70), None)
    assert trust.shape == (7, 5)
    assert not trust.any()


def test_blocks_at_the_border_use_their_own_pixels_only(synthetic_pixels):
    hci = to_tensor(downsample(synthetic_pixels(65, 97), 4))
    picture = to_tensor(upsample((hci * 255).round().to(torch.uint8).permute(1, 2, 0).contiguous().numpy(), 65, 97))
    assert trust_map(picture, hci).min() > 240
