"""From planes of the latent stream to a picture: the inverse of the sender's analysis, trained with it (GSC)."""

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
WAY_OUT = "install the package again or train it (training/README.md)"


class Synthesis(nn.Module):
    """Planes, some of them absent, to a picture: a small convolutional decoder beside a linear transform of blocks."""

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

    def forward(self, planes: Tensor, kept: Tensor) -> Tensor:
        """Map ``planes`` ``[B, 32, h, w]``, zero where not ``kept`` ``[B, 32]``, to ``[B, 3, 16h, 16w]``, 0 to 1."""
        there = kept[:, :, None, None].expand_as(planes).to(planes.dtype)
        blocks = functional.pixel_shuffle(self.blocks(planes), LATENT_STRIDE)
        out: Tensor = self.body(torch.cat([planes, there], 1)) + blocks + 0.5
        return out


def loaded_synthesis(folder: Path | None = None) -> Synthesis:
    """Return the synthesis in ``folder``, or the one that ships, frozen, float32.

    Raises:
        SetupError: its weights are missing or damaged.
    """
    path = (folder or Path(str(resources.files("models") / "latent"))) / SYNTHESIS_NAME
    with torch.device("meta"):
        network = Synthesis()
    return load_weights(network, path, "the latent stream's synthesis", WAY_OUT)
