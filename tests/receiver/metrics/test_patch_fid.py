"""Patch-FID: the patches, and the Fréchet distance by its formula."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image, ImageFilter
from scipy.linalg import sqrtm

from receiver.metrics.patch_fid import PATCH_SIDE, cut_patches, frechet_distance, patch_features
from shared.efficientnet import efficientnet_lite
from shared.pixels import to_tensor


def test_patches_cover_both_grids_exactly():
    rows, columns = torch.arange(150.0).view(-1, 1).expand(150, 200), torch.arange(200.0).expand(150, 200)
    patches = cut_patches(torch.stack([rows, columns, rows]))
    corners = [(int(patch[0, 0, 0]), int(patch[1, 0, 0])) for patch in patches]
    grid = [(row, column) for row in (0, 64) for column in (0, 64, 128)]
    shifted = [(32, column) for column in (32, 96)]
    assert corners == grid + shifted
    assert torch.equal(patches[-1, 1, 0], torch.arange(96.0, 96 + PATCH_SIDE))


def test_frechet_distance_is_heusels_formula():
    rng = np.random.default_rng(1)
    mix = rng.normal(size=(5, 5))
    one = rng.normal(size=(400, 5)) @ mix + 0.3
    other = rng.normal(size=(300, 5))
    covariances = np.cov(one, rowvar=False), np.cov(other, rowvar=False)
    expected = ((one.mean(0) - other.mean(0)) ** 2).sum()
    expected += np.trace(covariances[0] + covariances[1] - 2 * np.real(sqrtm(covariances[0] @ covariances[1])))
    assert frechet_distance(one.astype(np.float32), other.astype(np.float32)) == pytest.approx(expected, rel=1e-4)


def test_frechet_distance_holds_where_covariances_are_singular():
    few = np.random.default_rng(2).normal(size=(6, 40)).astype(np.float32)
    assert frechet_distance(few, few) == pytest.approx(0, abs=1e-4)
    assert frechet_distance(few + 2, few) == pytest.approx(160, rel=1e-3)
    assert frechet_distance(few[:1], few) is None


def test_a_blurred_picture_has_a_distance(synthetic_pixels):
    network, pixels = efficientnet_lite(), synthetic_pixels(192, 192)
    sharp = patch_features(network, to_tensor(pixels))
    soft = patch_features(network, to_tensor(np.asarray(Image.fromarray(pixels).filter(ImageFilter.GaussianBlur(3)))))
    assert sharp.shape == (9 + 4, 320)
    assert frechet_distance(soft, sharp) > 0
