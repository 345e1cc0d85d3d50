"""RRDBNet: the super-resolution network of ESRGAN (Wang et al. 2018) and Real-ESRGAN (Wang et al. 2021)."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from receiver.convolution import Convolution
from receiver.pocket.saved_network import SavedNetwork

RESIDUAL_SCALE = 0.2
SLOPE = 0.2


class DenseBlock(nn.Module):
    """Five densely connected convolutions. A fifth of the result is added to the input."""

    def __init__(self, width: int, growth: int) -> None:
        super().__init__()
        outputs = (growth, growth, growth, growth, width)
        self.convs = nn.ModuleList(
            Convolution(width + index * growth, channels) for index, channels in enumerate(outputs)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return ``[B, width, H, W]`` for the same."""
        features = [x]
        for conv in self.convs[:-1]:
            features.append(functional.leaky_relu(conv(torch.cat(features, 1)), SLOPE, inplace=True))
        return x + RESIDUAL_SCALE * cast("Tensor", self.convs[-1](torch.cat(features, 1)))


class ResidualInResidual(nn.Module):
    """Three dense blocks. A fifth of the result is added to the input."""

    def __init__(self, width: int, growth: int) -> None:
        super().__init__()
        self.blocks = nn.Sequential(*(DenseBlock(width, growth) for _ in range(3)))

    def forward(self, x: Tensor) -> Tensor:
        """Return ``[B, width, H, W]`` for the same."""
        return x + RESIDUAL_SCALE * cast("Tensor", self.blocks(x))


class RRDBNet(SavedNetwork):
    """Enlarges a picture four times. Most layers work at the small size."""

    def __init__(self, width: int = 64, growth: int = 32, depth: int = 23) -> None:
        super().__init__(width=width, growth=growth, depth=depth)
        self.first = Convolution(3, width)
        self.body = nn.Sequential(*(ResidualInResidual(width, growth) for _ in range(depth)))
        self.body_end = Convolution(width, width)
        self.up1 = Convolution(width, width)
        self.up2 = Convolution(width, width)
        self.high = Convolution(width, width)
        self.last = Convolution(width, 3)

    def forward(self, small: Tensor) -> Tensor:
        """Return ``[B, 3, 4h, 4w]`` for ``small`` ``[B, 3, h, w]``, both 0 to 1 (not clamped)."""
        features = self.first(small)
        features = features + self.body_end(self.body(features))
        for up in (self.up1, self.up2):
            features = functional.leaky_relu(up(functional.interpolate(features, scale_factor=2.0)), SLOPE)
        return cast("Tensor", self.last(functional.leaky_relu(self.high(features), SLOPE)))

    def convolutions(self) -> list[nn.Conv2d]:
        """Return all convolutions in the order in which they run."""
        groups = cast("list[ResidualInResidual]", list(self.body))
        blocks = cast("list[DenseBlock]", [block for group in groups for block in group.blocks])
        body = cast("list[nn.Conv2d]", [conv for block in blocks for conv in block.convs])
        return [self.first, *body, self.body_end, self.up1, self.up2, self.high, self.last]
