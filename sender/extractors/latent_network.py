"""The analysis transform of the latent stream: a picture in, 32 channels at 1/16 of its size out.

It computes in floating point, so another machine may choose a value one step away. What is sent is decoded in integers
(``shared/latent``) and is the same on every machine.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional

from shared.latent.layout import LATENT_CHANNELS, LATENT_STRIDE
from shared.latent.network import EIGHTH, SIXTEENTH, Residual

REACH = 6
"""Distance in samples beyond which a pixel does not influence a sample."""


class Analysis(nn.Module):
    """A small convolutional encoder, added to a linear transform of the 16×16 blocks."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.PixelUnshuffle(8),
            nn.Conv2d(3 * 64, EIGHTH, 3, padding=1),
            Residual(EIGHTH),
            nn.Conv2d(EIGHTH, SIXTEENTH, 3, stride=2, padding=1),
            Residual(SIXTEENTH),
            nn.GELU(),
            nn.Conv2d(SIXTEENTH, LATENT_CHANNELS, 3, padding=1),
        )
        self.blocks = nn.Conv2d(3 * LATENT_STRIDE * LATENT_STRIDE, LATENT_CHANNELS, 1)

    def forward(self, picture: Tensor) -> Tensor:
        """Map pictures ``[B, 3, 16h, 16w]``, 0 to 1, to channels ``[B, 32, h, w]`` in quantiser steps, not rounded."""
        centred = picture - 0.5
        out: Tensor = self.body(centred) + self.blocks(functional.pixel_unshuffle(centred, LATENT_STRIDE))
        return out
