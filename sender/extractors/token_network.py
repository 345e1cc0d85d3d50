"""The networks that turn image features into semantic tokens.

There are two kinds: semantic pseudo-words (SPWs, from MTGC) and reconstruction-aware semantic residual tokens (RSRTs,
from SDGIC). Learned queries use cross-attention to the features and self-attention, as in the task-aware semantic
compression module of MTGC. A finite scalar quantiser (FSQ, Mentzer et al. 2024) rounds the result. The network for
RSRTs also attends to the caption and to the features of the decoded highly compressed image (HCI), so that the tokens
need not repeat them.
"""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn
from vector_quantize_pytorch import FSQ

from shared.tokens.stream import MAX_TOKENS, QUANTISER_LEVELS

WIDTH, HEADS, LAYERS = 192, 6, 2


class TokenNetwork(nn.Module):
    """``features`` is the width of the image features, ``text`` that of the caption's vectors.

    With ``uses_context`` the network also attends to HCI and caption.
    """

    def __init__(self, features: int, text: int, *, uses_context: bool) -> None:
        super().__init__()
        self.uses_context = uses_context
        self.picture = nn.Linear(features, WIDTH)
        self.hci = nn.Linear(features, WIDTH)
        self.caption = nn.Linear(text, WIDTH)
        self.sources = nn.Parameter(torch.zeros(3, WIDTH))
        self.places = nn.Parameter(torch.randn(64, WIDTH) / 8)
        self.queries = nn.Parameter(torch.randn(MAX_TOKENS, WIDTH))
        layer = nn.TransformerDecoderLayer(WIDTH, HEADS, 2 * WIDTH, 0.0, "gelu", batch_first=True, norm_first=True)
        self.attention = nn.TransformerDecoder(layer, LAYERS, nn.LayerNorm(WIDTH))
        self.numbers = nn.Linear(WIDTH, len(QUANTISER_LEVELS))
        self.quantiser = FSQ(levels=list(QUANTISER_LEVELS))

    def forward(
        self, picture: Tensor, hci: Tensor | None = None, caption: Tensor | None = None, has_word: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Return the tokens' numbers ``[B, 64, 3]``, quantised with a straight-through gradient, and codes ``[B, 64]``.

        ``picture`` and ``hci`` are features ``[B, 64, F]``, ``caption`` ``[B, C, T]`` with ``has_word`` ``[B, C]``: 1
        where it has a word. A token does not attend to later ones, so the first tokens are usable alone.
        """
        context = [self.picture(picture) + self.sources[0] + self.places]
        hidden = [torch.zeros(picture.shape[:2], dtype=torch.bool, device=picture.device)]
        if self.uses_context and hci is not None:
            context.append(self.hci(hci) + self.sources[1] + self.places)
            hidden.append(hidden[0])
        if self.uses_context and caption is not None and has_word is not None:
            context.append(self.caption(caption) + self.sources[2])
            hidden.append(has_word == 0)
        later = torch.ones(MAX_TOKENS, MAX_TOKENS, dtype=torch.bool, device=picture.device).triu(1)
        found = self.attention(
            self.queries.expand(len(picture), -1, -1),
            torch.cat(context, 1),
            tgt_mask=later,
            memory_key_padding_mask=torch.cat(hidden, 1),
        )
        numbers, codes = self.quantiser(self.numbers(found).float())
        return numbers, cast("Tensor", codes)
