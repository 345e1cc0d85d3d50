"""Fidelity metrics against hand-computed values and known properties."""

from __future__ import annotations

import math

import numpy as np
import pytest

from receiver.metrics.pixel import MAX_PSNR_DB, MS_SSIM_MIN_SIDE, quality
from shared.errors import InputError


def test_psnr_of_a_constant_error_is_closed_form():
    reference = np.full((64, 64, 3), 100, np.uint8)
    assert quality(reference + 5, reference).psnr_db == pytest.approx(20 * math.log10(255 / 5))


def test_equal_pictures_have_the_limit_of_the_psnr(synthetic_pixels):
    pixels = synthetic_pixels(200, 180)
    assert quality(pixels, pixels).psnr_db == MAX_PSNR_DB == 100
    nearly = np.zeros((1200, 1200, 3), np.uint8)
    nearly[0, 0, 0] = 1  # 10 log10(255² · 3 · 1200²) = 114 dB
    assert quality(nearly, np.zeros_like(nearly)).psnr_db == MAX_PSNR_DB
    assert quality(pixels, pixels).ms_ssim == pytest.approx(1.0)


def test_more_noise_is_worse_on_both(synthetic_pixels):
    pixels = synthetic_pixels(256, 192)
    rng = np.random.default_rng(1)
    found = [
        quality(np.clip(pixels + rng.normal(0, sigma, pixels.shape), 0, 255).astype(np.uint8), pixels)
        for sigma in (2, 8, 32)
    ]
    assert [q.psnr_db for q in found] == sorted((q.psnr_db for q in found), reverse=True)
    assert [q.ms_ssim for q in found] == sorted((q.ms_ssim for q in found), reverse=True)


def test_grey_compares_with_colour_of_equal_channels(synthetic_pixels):
    grey = synthetic_pixels(200, 180, grey=True)
    assert quality(grey, np.repeat(grey[:, :, None], 3, axis=2)).psnr_db == MAX_PSNR_DB


def test_ms_ssim_is_absent_where_it_is_not_defined(synthetic_pixels):
    small = synthetic_pixels(MS_SSIM_MIN_SIDE - 1, 300)
    assert quality(small, small).ms_ssim is None
    large = synthetic_pixels(MS_SSIM_MIN_SIDE, 300)
    assert quality(large, large).ms_ssim is not None


def test_pictures_of_different_size_do_not_compare():
    with pytest.raises(InputError, match="64x80"):
        quality(np.zeros((64, 64, 3), np.uint8), np.zeros((80, 64, 3), np.uint8))
