"""Scores latent channels by their structural similarity (SSIM) with the picture.

Chen et al., "Generative Semantic Coding" (arXiv 2510.27324), section 3.2, send the C channels "with the largest SSIM
value". The paper specifies neither scale nor sign nor resolution. Here a channel becomes a grey picture: it is
up-sampled, its sign is flipped if it correlates negatively with the luminance (a channel's sign is arbitrary), and it
gets the mean and contrast of the luminance.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

GREY_SCALE = 4
"""Pixels of the compared grey pictures per sample of a channel. SSIM's window of 11 then covers three samples."""
WINDOW, WINDOW_SIGMA = 11, 1.5
K1, K2 = 0.01, 0.03
LUMA = (0.299, 0.587, 0.114)


def luminance(picture: Tensor) -> Tensor:
    """Return the luminance (BT.601), ``[B, 1, 4h, 4w]``, of pictures ``[B, 3, 16h, 16w]``, 0 to 1."""
    luma = sum(weight * picture[:, index : index + 1] for index, weight in enumerate(LUMA))
    assert isinstance(luma, Tensor)
    return functional.avg_pool2d(luma, GREY_SCALE)


def ssim_scores(channels: Tensor, grey: Tensor) -> Tensor:
    """Return the SSIM ``[B, M]`` of ``channels`` ``[B, M, h, w]`` with ``grey`` ``[B, 1, 4h, 4w]``, 0 to 1.

    Window and constants are those of Wang et al. 2004. A constant channel scores -1, the lowest value.
    """
    size = (grey.shape[2], grey.shape[3])
    shown = functional.interpolate(channels.float(), size, mode="bilinear", align_corners=False)
    shown = shown - shown.mean((2, 3), keepdim=True)
    centred = grey.float() - grey.float().mean((2, 3), keepdim=True)
    sign = torch.where((shown * centred).mean((2, 3), keepdim=True) < 0, -1.0, 1.0)
    contrast = shown.square().mean((2, 3), keepdim=True).sqrt()
    scale = centred.square().mean((2, 3), keepdim=True).sqrt() / contrast.clamp_min(1e-6)
    turned = shown * sign * scale + grey.float().mean((2, 3), keepdim=True)
    scores = _ssim(turned, grey.float())
    return torch.where(contrast[:, :, 0, 0] < 1e-6, -torch.ones_like(scores), scores)


def _ssim(a: Tensor, b: Tensor) -> Tensor:
    """Return the mean SSIM ``[B, M]`` of ``a`` ``[B, M, H, W]`` with ``b`` ``[B, 1, H, W]``."""
    mean_a, mean_b = _blur(a), _blur(b)
    variance_a = _blur(a * a) - mean_a * mean_a
    variance_b = _blur(b * b) - mean_b * mean_b
    covariance = _blur(a * b) - mean_a * mean_b
    light = (2 * mean_a * mean_b + K1**2) / (mean_a**2 + mean_b**2 + K1**2)
    return (light * (2 * covariance + K2**2) / (variance_a + variance_b + K2**2)).mean((2, 3))


def _blur(x: Tensor) -> Tensor:
    """Return ``x`` ``[B, M, H, W]`` filtered with a Gaussian window, without padding; a small side cuts the window."""
    for dim in (2, 3):
        width = min(WINDOW, x.shape[dim] - 1 + x.shape[dim] % 2)
        place = torch.arange(width, dtype=x.dtype, device=x.device) - width // 2
        window = torch.exp(-(place**2) / (2 * WINDOW_SIGMA**2))
        shape = (1, 1, -1, 1) if dim == 2 else (1, 1, 1, -1)
        kernel = (window / window.sum()).view(shape)
        flat = functional.conv2d(x.flatten(0, 1)[:, None], kernel)
        x = flat.view(*x.shape[:2], *flat.shape[2:])
    return x
