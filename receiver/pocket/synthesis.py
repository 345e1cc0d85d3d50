"""Latent synthesis: from the channels of the latent stream to a picture. The sender's analysis is trained with it.

Chen et al., "Generative Semantic Coding" (GSC, arXiv 2510.27324), section 3.2.
"""

from __future__ import annotations

from importlib import resources
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from shared.latent.layout import LATENT_CHANNELS, LATENT_STRIDE
from shared.latent.network import EIGHTH, SIXTEENTH, Residual
from shared.weights import load_weights

SYNTHESIS_NAME = "synthesis.safetensors"
HINT = "install the package again or train it (training/README.md)"


class LatentSynthesis(nn.Module):
    """A small convolutional decoder beside a linear transform of blocks. Any of the channels may be missing."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(2 * LATENT_CHANNELS, SIXTEENTH, 3, padding=1),
            Residual(SIXTEENTH),
            nn.Conv2d(SIXTEENTH, 4 * EIGHTH, 3, padding=1),
            nn.PixelShuffle(2),
            Residual(EIGHTH),
            nn.GELU(),
            nn.Conv2d(EIGHTH, 3 * 64, 3, padding=1),
            nn.PixelShuffle(8),
        )
        self.blocks = nn.Conv2d(LATENT_CHANNELS, 3 * LATENT_STRIDE * LATENT_STRIDE, 1)

    def forward(self, channels: Tensor, received: Tensor) -> Tensor:
        """Return ``[B, 3, 16h, 16w]``, about 0 to 1.

        ``channels`` ``[B, 32, h, w]`` are zero where ``received`` ``[B, 32]`` is 0.
        """
        availability = received[:, :, None, None].expand_as(channels).to(channels.dtype)
        blocks = functional.pixel_shuffle(self.blocks(channels), LATENT_STRIDE)
        out: Tensor = self.body(torch.cat([channels, availability], 1)) + blocks + 0.5
        return out


def load_synthesis(folder: Path | None = None) -> LatentSynthesis:
    """Return the latent synthesis in ``folder``, or the one that ships, frozen, in float32.

    Raises:
        SetupError: its weights are missing or damaged.
    """
    path = (folder or Path(str(resources.files("models") / "latent"))) / SYNTHESIS_NAME
    with torch.device("meta"):
        network = LatentSynthesis()
    return load_weights(network, path, "the latent stream's synthesis", HINT)
