"""Text conditioning: caption, semantic tokens and region names as prompt tokens of one width."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional

from receiver.pocket.saved_network import SavedNetwork
from shared.regions.region import REGIONS_MAX
from shared.text import TEXT_WIDTH
from shared.tokens.stream import MAX_TOKENS, QUANTISER_LEVELS, TokenKind

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True)
class Prompt:
    """The prompt of a batch of pictures before it is embedded.

    ``caption`` ``[B, C, 384]`` and ``regions`` ``[B, 3, 384]`` are vectors of the text encoder, ``codes`` ``[B, N, 3]``
    the numbers of the semantic tokens and ``kinds`` ``[B]`` their ``TokenKind``. ``given`` ``[B, 1 + C + N + 3]`` is 1
    for every prompt token that is there, 0 for padding and for what was lost. The first prompt token is the null token,
    which is always there.
    """

    caption: Tensor
    codes: Tensor
    kinds: Tensor
    regions: Tensor
    given: Tensor

    def to(self, device: torch.device, dtype: torch.dtype) -> Prompt:
        """Return the same prompt on ``device``, with vectors in ``dtype``."""
        caption, codes, regions, given = (
            part.to(device, dtype) for part in (self.caption, self.codes, self.regions, self.given)
        )
        return Prompt(caption, codes, self.kinds.to(device), regions, given)


def batch_prompts(
    captions: Sequence[Tensor | None],
    tokens: Sequence[tuple[TokenKind, Tensor] | None],
    regions: Sequence[Tensor | None],
    width: int,
) -> Prompt:
    """Return the prompt of a batch; caption ``[C, 384]``, tokens ``[N, 3]`` and regions ``[R, 384]`` may be None."""
    sentences = [torch.zeros(0, width) if one is None else one for one in captions]
    kinds = torch.tensor([0 if one is None else int(one[0]) for one in tokens])
    codes = [torch.zeros(0, len(QUANTISER_LEVELS)) if one is None else one[1] for one in tokens]
    named = [torch.zeros(0, width) if one is None else one for one in regions]
    padded, given = zip(
        _pad(sentences, max(len(one) for one in sentences)),
        _pad(codes, max(len(one) for one in codes)),
        _pad(named, REGIONS_MAX),
        strict=True,
    )
    return Prompt(padded[0], padded[1], kinds, padded[2], torch.cat([torch.ones(len(kinds), 1), *given], 1))


def _pad(rows: Sequence[Tensor], length: int) -> tuple[Tensor, Tensor]:
    """Return ``rows`` ``[n, C]`` zero-padded to ``[B, length, C]``, and ``[B, length]``: 1 where a row has values."""
    values = torch.stack([functional.pad(row, (0, 0, 0, length - len(row))) for row in rows])
    given = torch.stack([(torch.arange(length) < len(row)).float() for row in rows])
    return values, given


def limit_regions(given: Tensor, masks: Tensor, cell: int) -> Tensor:
    """Return ``[B, Q, T]``: 1 if position q of an attention may attend to prompt token t.

    ``given`` ``[B, T]`` is that of the prompt. ``masks`` ``[B, 3, h, w]`` are those of the regions, and a position
    covers ``cell`` × ``cell`` of their places. The prompt token of a region acts where its mask covers half of a
    position; every other one acts everywhere.
    """
    covered = functional.avg_pool2d(masks.float(), cell) >= 0.5
    inside = covered.flatten(2).transpose(1, 2).to(given.dtype)
    everywhere = given[:, None].expand(-1, inside.shape[1], -1)
    return torch.cat([everywhere[..., :-REGIONS_MAX], everywhere[..., -REGIONS_MAX:] * inside], 2)


def new_places(*shape: int) -> nn.Parameter:
    """Return untrained vectors for positions; without values on the device "meta", where weights are loaded later."""
    places = torch.empty(*shape)
    # On "meta", torch would import its compiler for random numbers: seconds.
    return nn.Parameter(places if places.is_meta else places.normal_(std=1 / 8))


class PromptEmbedding(SavedNetwork):
    """Embeds a prompt: a linear map for each kind of stream, and learned positions for semantic tokens."""

    def __init__(self, width: int = TEXT_WIDTH) -> None:
        super().__init__(width=width)
        self.caption = nn.Linear(TEXT_WIDTH, width)
        self.regions = nn.Linear(TEXT_WIDTH, width)
        self.tokens = nn.Linear(len(QUANTISER_LEVELS), len(TokenKind) * width)
        self.places = new_places(len(TokenKind), MAX_TOKENS, width)

    def forward(self, prompt: Prompt) -> Tensor:
        """Return the prompt tokens ``[B, 1 + C + N + 3, width]``; the first, the null token, is zero."""
        batch, count, _ = prompt.codes.shape
        width = self.caption.out_features
        rows = torch.arange(batch, device=prompt.codes.device)
        kinds = prompt.kinds.to(rows.device)
        tokens = self.tokens(prompt.codes).view(batch, count, len(TokenKind), width)[rows, :, kinds]
        embedded = torch.cat(
            [
                torch.zeros(batch, 1, width, dtype=tokens.dtype, device=rows.device),
                self.caption(prompt.caption),
                tokens + self.places[kinds, :count],
                self.regions(prompt.regions),
            ],
            1,
        )
        return embedded * prompt.given[..., None].to(embedded.dtype)
