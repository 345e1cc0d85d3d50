"""The trust map: which share of the detail in a block of the picture was received, and which was invented.

Let H be the received HCI (highly compressed image), R the decoded picture, and U and D Lanczos up- and down-sampling
between their sizes. The difference of R to the evidence U(H) has two parts. M = U(D(R - U(H))) would be visible in an
HCI of R: it contradicts H. The rest, I = R - U(H) - M, is finer than an HCI of this size: it was invented. R = U(H) +
M + I, so a block that is only the up-sampled HCI has M = I = 0 exactly. For each block of 16 × 16 pixels, with mean
squares over its pixels and channels, in levels of 255:

    trust = (E + 2²) / (E + 2² + I²) · 8² / (8² + M²)

E is the variance of U(H) in the block, the received detail: a sharpened edge keeps more trust than texture in a flat
area. In a slice of the HCI that was lost, all is invented: a block has the trust of the share of it that was received.
Detail of 2 levels is too faint to be visible. 8 levels are the coding error of an HCI at 30 dB: a contradiction
of that size, which coding alone no longer explains, halves the trust.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch.nn import functional

from receiver.pocket.lanczos import resize

if TYPE_CHECKING:
    from torch import Tensor

BLOCK = 16
FAINT_LEVELS = 2.0
TOLERATED_LEVELS = 8.0


def trust_map(picture: Tensor, hci: Tensor | None, received: Tensor | None = None) -> Tensor:
    """Return the trust map ``[ceil(H / 16), ceil(W / 16)]``, uint8 from 0 (invented) to 255 (received).

    ``picture`` ``[3, H, W]`` and ``hci`` ``[3, h, w]`` are float32, 0 to 1. Without an HCI the trust is 0 everywhere.
    ``received`` ``[1, h, w]`` is 0 where slices of the HCI were lost; None: none was.
    """
    height, width = picture.shape[-2:]
    if hci is None:
        return torch.zeros(-(-height // BLOCK), -(-width // BLOCK), dtype=torch.uint8)
    evidence = resize(hci, width, height).clamp(0, 1) * 255
    departure = picture * 255 - evidence
    contradiction = resize(resize(departure, hci.shape[-1], hci.shape[-2]), width, height)
    variance = _block_mean(evidence.square()) - _block_mean(evidence).square()
    detail = variance.clamp_min(0).mean(0) + FAINT_LEVELS**2
    invented = _block_mean((departure - contradiction).square()).mean(0)
    agreement = TOLERATED_LEVELS**2 / (TOLERATED_LEVELS**2 + _block_mean(contradiction.square()).mean(0))
    trust = detail / (detail + invented) * agreement
    if received is not None:
        trust = trust * _block_mean(functional.interpolate(received[None], (height, width), mode="nearest")[0])[0]
    return (trust * 255).round().to(torch.uint8)


def _block_mean(planes: Tensor) -> Tensor:
    """Return the means ``[C, ceil(H / 16), ceil(W / 16)]`` over blocks; a block at the border has fewer pixels."""
    return functional.avg_pool2d(planes[None], BLOCK, ceil_mode=True, count_include_pad=False)[0]
