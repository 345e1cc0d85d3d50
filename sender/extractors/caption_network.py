"""The captioner's network: a small transformer decoder (Vaswani et al. 2017, pre-norm) with image features as input."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from sender.extractors.features import FEATURE_CHANNELS, PLACES

if TYPE_CHECKING:
    from collections.abc import Sequence

WIDTH, HEADS, INNER, LAYERS = 256, 4, 512, 2
VOCABULARY: Final = 2000
"""Size of the vocabulary: END, ESCAPE and the most frequent words, numbered as in the caption coder."""
START: Final = VOCABULARY
MAX_WORDS: Final = 14

PictureKeys = list[tuple[Tensor, Tensor]]
"""One picture's keys and values ``[P, heads, places, width / heads]`` per layer."""


class CaptionNetwork(nn.Module):
    """Predicts the next word of a caption from the picture and the words so far."""

    def __init__(self) -> None:
        super().__init__()
        self.eye = nn.Sequential(nn.LayerNorm(FEATURE_CHANNELS), nn.Linear(FEATURE_CHANNELS, WIDTH))
        self.places = nn.Parameter(0.02 * torch.randn(PLACES, WIDTH))
        self.seen_norm = nn.LayerNorm(WIDTH)
        self.words = nn.Parameter(torch.randn(VOCABULARY + 1, WIDTH) / WIDTH**0.5)
        self.positions = nn.Parameter(0.02 * torch.randn(MAX_WORDS + 1, WIDTH))
        self.layers = nn.ModuleList(Layer() for _ in range(LAYERS))
        self.last_norm = nn.LayerNorm(WIDTH)

    def picture_keys(self, features: Tensor, places: Sequence[int] | None = None) -> PictureKeys:
        """Return all layers' keys and values for ``features`` ``[P, S, 1280]`` at ``places`` (S of 64; None: all)."""
        where = self.places if places is None else self.places[list(places)]
        x = self.seen_norm(self.eye(features) + where)
        return [cast("Layer", layer).keys_and_values(x) for layer in self.layers]

    def forward(self, picture_keys: PictureKeys, symbols: Tensor, dropout: Dropout | None = None) -> Tensor:
        """Return logits ``[P, n, T, VOCABULARY]`` of the next symbol after each of ``symbols``, ``[P, n, T]``.

        There are ``n`` captions for each of ``P`` pictures. The first symbol is START; T is at most MAX_WORDS + 1.
        """
        dropout = dropout or Dropout(0)
        return functional.linear(dropout(self._read(picture_keys, symbols, dropout)), self.words[:VOCABULARY])

    def next_logits(self, picture_keys: PictureKeys, symbols: Tensor) -> Tensor:
        """Return logits ``[P, n, VOCABULARY]`` of the next symbol after ``symbols``: the last ones of ``forward``."""
        return functional.linear(self._read(picture_keys, symbols, Dropout(0))[:, :, -1], self.words[:VOCABULARY])

    def _read(self, picture_keys: PictureKeys, symbols: Tensor, dropout: Dropout) -> Tensor:
        """Return ``[P, n, T, width]``."""
        x = dropout(self.words[symbols] * WIDTH**0.5 + self.positions[: symbols.shape[2]])
        for layer, (keys, values) in zip(self.layers, picture_keys, strict=True):
            x = layer(x, keys, values, dropout)
        return cast("Tensor", self.last_norm(x))


class Dropout:
    """Dropout (Srivastava et al. 2014) of the same channels at all words of a caption: one draw per caption."""

    def __init__(self, share: float, seed: int = 0) -> None:
        self._kept = 1 - share
        self._generator = torch.Generator().manual_seed(seed)

    def __call__(self, x: Tensor) -> Tensor:
        """Return ``x`` ``[P, n, T, width]`` with a share of its channels set to zero and the others scaled up."""
        if self._kept == 1:
            return x
        drawn = torch.rand(*x.shape[:2], 1, x.shape[3], generator=self._generator)
        return x * (drawn < self._kept).to(x) / self._kept


class Layer(nn.Module):
    """Self-attention over the caption, cross-attention to the picture, and two dense layers, each with a skip."""

    def __init__(self) -> None:
        super().__init__()
        self.own_norm, self.own = nn.LayerNorm(WIDTH), nn.Linear(WIDTH, 3 * WIDTH)
        self.own_out = nn.Linear(WIDTH, WIDTH)
        self.query_norm, self.query = nn.LayerNorm(WIDTH), nn.Linear(WIDTH, WIDTH)
        self.picture, self.picture_out = nn.Linear(WIDTH, 2 * WIDTH), nn.Linear(WIDTH, WIDTH)
        self.dense_norm, self.dense = nn.LayerNorm(WIDTH), nn.Linear(WIDTH, INNER)
        self.dense_out = nn.Linear(INNER, WIDTH)

    def keys_and_values(self, picture: Tensor) -> tuple[Tensor, Tensor]:
        """Return keys and values ``[P, heads, S, width / heads]`` of ``picture`` ``[P, S, width]``."""
        keys, values = self.picture(picture).chunk(2, dim=-1)
        return _split_heads(keys), _split_heads(values)

    def forward(self, x: Tensor, keys: Tensor, values: Tensor, dropout: Dropout) -> Tensor:
        """Return ``x`` ``[P, n, T, width]`` after this layer."""
        query, key, value = (_split_heads(part.flatten(0, 1)) for part in self.own(self.own_norm(x)).chunk(3, dim=-1))
        later = torch.ones(x.shape[2], x.shape[2], dtype=torch.bool).triu(1)
        attended = _attend(query, key, value, later)
        x = x + dropout(self.own_out(_join_heads(attended).view_as(x)))
        # All captions of a picture attend to it in one product.
        query = _split_heads(self.query(self.query_norm(x)).flatten(1, 2))
        attended = _attend(query, keys, values)
        x = x + dropout(self.picture_out(_join_heads(attended).view_as(x)))
        return x + dropout(self.dense_out(dropout(functional.gelu(self.dense(self.dense_norm(x))))))


def _split_heads(x: Tensor) -> Tensor:
    """Return ``[B, heads, T, width / heads]`` of ``[B, T, width]``."""
    return x.view(*x.shape[:2], HEADS, -1).transpose(1, 2)


def _attend(query: Tensor, key: Tensor, value: Tensor, hidden: Tensor | None = None) -> Tensor:
    """Return ``[B, heads, T, d]``. With so few places, plain products are faster than torch's fused attention."""
    likeness = query @ key.mT / query.shape[-1] ** 0.5
    if hidden is not None:
        likeness = likeness.masked_fill(hidden, -torch.inf)
    result: Tensor = likeness.softmax(-1).to(value) @ value
    return result


def _join_heads(x: Tensor) -> Tensor:
    return x.transpose(1, 2).flatten(2)
