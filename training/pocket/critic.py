"""The adversary: heads on VGG16's maps that tell made-up pictures from real ones (Sauer et al. 2021, Projected GANs).

The maps are those of DISTS, whose pooling keeps patterns finer than its stride; under VGG16's own max pooling a decoder
learns to paint them. VGG16 stays frozen: with a batch of a few crops, a critic that learns from pixels drives the
colours away within some hundred steps.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional

from receiver.metrics.perceptual import VGG16_WIDTHS

if TYPE_CHECKING:
    from collections.abc import Sequence

LEVELS = (1, 2, 3)
"""Blocks of VGG16 that have a head: at a half, a quarter and an eighth of the picture's sides."""
HEAD_WIDTH = 64
SLOPE = 0.2


class Critic(nn.Module):
    """Scores every position of the maps: positive for real, negative for made up."""

    def __init__(self) -> None:
        super().__init__()
        self.heads = nn.ModuleList(
            nn.Sequential(
                nn.Conv2d(VGG16_WIDTHS[level], HEAD_WIDTH, 1),
                nn.LeakyReLU(SLOPE),
                nn.Conv2d(HEAD_WIDTH, HEAD_WIDTH, 3, padding=1),
                nn.LeakyReLU(SLOPE),
                nn.Conv2d(HEAD_WIDTH, 1, 1),
            )
            for level in LEVELS
        )

    def forward(self, maps: Sequence[Tensor]) -> list[Tensor]:
        """Return scores ``[B, 1, h, w]``, a tensor per head, of the five ``maps`` ``[B, C, h, w]`` of VGG16."""
        return [head(_normal(maps[level])) for head, level in zip(self.heads, LEVELS, strict=True)]

    def losses(self, maps: Sequence[Tensor], references: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        """Return the loss of the network that made the picture of ``maps``, and the critic's own hinge loss; scalars.

        The first moves only what made the picture, the second only the critic, so both can go into one sum.
        """
        frozen = {name: parameter.detach() for name, parameter in self.named_parameters()}
        made_up = sum((-scores.mean() for scores in functional_call(self, frozen, (maps,))), maps[0].new_zeros(()))
        own = maps[0].new_zeros(())
        for real, fake in zip(self(references), self([level.detach() for level in maps]), strict=True):
            own = own + functional.relu(1 - real).mean() + functional.relu(1 + fake).mean()
        return made_up / len(LEVELS), own / len(LEVELS)


def _normal(level: Tensor) -> Tensor:
    """Return ``level`` with features of about unit variance at every position."""
    level = level.float()
    return level / (level.square().mean(1, keepdim=True) + 1e-6).sqrt()
