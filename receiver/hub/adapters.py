"""Token adapters: semantic tokens as words of a pretrained text encoder, and as a change of the ControlNet's input.

Pseudo-words (MTGC) are projected to the width of the cross-attention and stand after the caption's words. Residual
tokens (SDGIC) do so too; and where the profile feeds its ControlNet from ``tokens``, they are laid out over the picture
and added to the highly compressed image (HCI) that is the ControlNet's input. ``training/hub`` trains these weights.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from shared.hub.libraries import diffusers
from shared.tokens.stream import MAX_TOKENS, QUANTISER_LEVELS, TokenKind

LAYOUT_SIDE = 16
"""Rows and columns of the map that residual tokens are laid out on."""


class TokenAdapter(diffusers.ModelMixin, diffusers.ConfigMixin):  # type: ignore[misc]  # diffusers is untyped
    """Turns semantic tokens, as the quantiser's numbers, into words and into a control map.

    Args:
        width: width of the base's cross-attention.
        hidden: width of the adapter's own layers.
    """

    config_name = "config.json"

    @diffusers.configuration_utils.register_to_config  # type: ignore[untyped-decorator]
    def __init__(self, width: int = 1024, hidden: int = 256) -> None:
        super().__init__()
        numbers = len(QUANTISER_LEVELS)
        self.inner = nn.ModuleList(nn.Linear(numbers, hidden) for _ in TokenKind)
        self.places = nn.Parameter(torch.randn(len(TokenKind), MAX_TOKENS, hidden) / 8)
        self.words = nn.Sequential(nn.GELU(), nn.LayerNorm(hidden), nn.Linear(hidden, width))
        self.grid = nn.Parameter(torch.randn(LAYOUT_SIDE**2, hidden) / 8)
        self.look = nn.MultiheadAttention(hidden, 4, batch_first=True)
        self.colours = nn.Linear(hidden, 3)

    def forward(self, numbers: Tensor, kind: TokenKind) -> Tensor:
        """Return words ``[B, N, width]`` for ``numbers`` ``[B, N, 3]`` of tokens of one ``kind``."""
        words: Tensor = self.words(self._features(numbers, kind))
        return words

    def control_map(self, numbers: Tensor, kind: TokenKind, height: int, width: int) -> Tensor:
        """Return what the tokens add to the control picture, ``[B, 3, height, width]``, -1 to 1."""
        features = self._features(numbers, kind)
        queries = self.grid.expand(len(features), -1, -1)
        placed = queries + self.look(queries, features, features, need_weights=False)[0]
        colours = self.colours(placed).tanh().transpose(1, 2).unflatten(2, (LAYOUT_SIDE, LAYOUT_SIDE))
        return functional.interpolate(colours, (height, width), mode="bilinear", antialias=True)

    def _features(self, numbers: Tensor, kind: TokenKind) -> Tensor:
        features: Tensor = self.inner[kind](numbers) + self.places[kind, : numbers.shape[1]]
        return features
