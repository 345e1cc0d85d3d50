"""What the latent's two transforms are built of: the sender's analysis and the receiver's synthesis."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional

EIGHTH, SIXTEENTH = 64, 128
"""Channels at 1/8 and at 1/16 of the picture's size."""


class Residual(nn.Module):
    """``x + conv(gelu(conv(gelu(x))))``, both 3×3; starts as the identity."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels, channels, 3, padding=1)
        self.second = nn.Conv2d(channels, channels, 3, padding=1)
        nn.init.zeros_(self.second.weight)

    def forward(self, x: Tensor) -> Tensor:
        """Map ``[B, C, h, w]`` to the same shape."""
        inner = self.first(functional.gelu(x))
        out: Tensor = x + self.second(functional.gelu(inner))
        return out
