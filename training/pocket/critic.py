"""The adversary: a small convolutional critic that tells restored pictures from real ones, given the HCI."""

from __future__ import annotations

import itertools
from typing import cast

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional

SLOPE = 0.2


class Critic(nn.Module):
    """Scores patches of about 30 pixels: positive for real, negative for made up."""

    def __init__(self, width: int = 32) -> None:
        super().__init__()
        widths = (width, 2 * width, 4 * width, 4 * width)
        self.first = nn.Conv2d(6, widths[0], 3, padding=1)
        self.halvings = nn.ModuleList(
            nn.Conv2d(before, after, 4, stride=2, padding=1) for before, after in itertools.pairwise(widths)
        )
        self.last = nn.Conv2d(widths[-1], 1, 3, padding=1)

    def forward(self, picture: Tensor, blurred: Tensor) -> Tensor:
        """Return scores ``[B, 1, H / 8, W / 8]`` of ``picture``; it and the HCI ``blurred`` are ``[B, 3, H, W]``."""
        x = functional.leaky_relu(self.first(torch.cat([picture, blurred], 1) * 2 - 1), SLOPE)
        for halving in self.halvings:
            x = functional.leaky_relu(halving(x), SLOPE)
        return cast("Tensor", self.last(x))

    def losses(self, output: Tensor, target: Tensor, blurred: Tensor) -> tuple[Tensor, Tensor]:
        """Return the loss of the decoder that made ``output``, and the critic's own hinge loss; scalars.

        The first moves only what made ``output``, the second only the critic, so both can go into one sum.
        """
        frozen = {name: parameter.detach() for name, parameter in self.named_parameters()}
        made_up = -functional_call(self, frozen, (output, blurred)).mean()
        real, fake = self(target, blurred), self(output.detach(), blurred)
        own = functional.relu(1 - real).mean() + functional.relu(1 + fake).mean()
        return made_up, own
