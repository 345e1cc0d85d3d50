"""The trust map: how much of what a block of the picture shows was received, and how much was made up.

With U and D for Lanczos' up- and down-sampling between HCI and picture, R the picture and H the received HCI, what R
shows beyond the evidence, R - U(H), falls into two parts: M = U(D(R - U(H))), seen when the picture is re-encoded as
the sender does it, contradicts the HCI; the rest, I = R - U(H) - M, is finer than an HCI of this size and was invented.
R = U(H) + M + I, so that a block that is only the up-sampled HCI has M = I = 0 exactly. Per block of 16 × 16 pixels,
with mean squares over its pixels and channels, in levels of 255:

    trust = (E + 2²) / (E + 2² + I²) · 8² / (8² + M²)

E is the variance of U(H) in the block, the detail that was received: a sharpened edge stays more trustworthy than
texture in a flat place. 2 levels of detail are too faint to be seen. 8 levels is the error of an HCI that was coded at
30 dB: a contradiction as large as that halves the trust, since it can no longer be the coder's own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch.nn import functional

from receiver.pocket.lanczos import resized

if TYPE_CHECKING:
    from torch import Tensor

BLOCK = 16
FAINT_LEVELS = 2.0
TOLERATED_LEVELS = 8.0


def trust_map(picture: Tensor, hci: Tensor | None) -> Tensor:
    """Return the trust ``[ceil(H / 16), ceil(W / 16)]``, uint8 from 0 invented to 255 evidence.

    ``picture`` ``[3, H, W]`` and ``hci`` ``[3, h, w]`` are float32, 0 to 1; without an HCI nothing is evidence.
    """
    height, width = picture.shape[-2:]
    if hci is None:
        return torch.zeros(-(-height // BLOCK), -(-width // BLOCK), dtype=torch.uint8)
    evidence = resized(hci, width, height).clamp(0, 1) * 255
    departure = picture * 255 - evidence
    contradiction = resized(resized(departure, hci.shape[-1], hci.shape[-2]), width, height)
    received = _block_mean(evidence.square()) - _block_mean(evidence).square()
    received = received.clamp_min(0).mean(0) + FAINT_LEVELS**2
    invented = _block_mean((departure - contradiction).square()).mean(0)
    agreement = TOLERATED_LEVELS**2 / (TOLERATED_LEVELS**2 + _block_mean(contradiction.square()).mean(0))
    return (received / (received + invented) * agreement * 255).round().to(torch.uint8)


def _block_mean(planes: Tensor) -> Tensor:
    """Return the means ``[C, ceil(H / 16), ceil(W / 16)]`` over blocks; those at the border count what they have."""
    return functional.avg_pool2d(planes[None], BLOCK, ceil_mode=True, count_include_pad=False)[0]
