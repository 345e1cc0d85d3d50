"""Texts and semantic tokens as the base takes them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from receiver.hub.adapters import TokenAdapter
    from receiver.hub.conditions import Conditions


def word_pieces(tokenizer: Any, encoder: Any, texts: Sequence[str], most: int | None = None) -> Tensor:
    """Return the numbers of the word pieces of ``texts``, ``[B, T]``, on the CPU.

    T is ``most``, or less where the tokenizer or the places of the ``encoder`` are fewer. Longer texts are cut.
    """
    places = getattr(encoder.config, "max_position_embeddings", None)  # T5 has relative places: any number of them
    limits = [tokenizer.model_max_length, *(one for one in (most, places) if one is not None)]
    pieces = tokenizer(list(texts), padding="max_length", max_length=min(limits), truncation=True, return_tensors="pt")
    numbers: Tensor = pieces.input_ids
    return numbers


def add_tokens(words: Tensor, batch: Sequence[Conditions], adapter: TokenAdapter | None) -> Tensor:
    """Return ``words`` ``[B, T, C]`` with the semantic tokens of the pictures after them, if there is an adapter."""
    tokens = batch[0].tokens
    if adapter is None or tokens is None:
        return words
    return torch.cat([words, adapter(token_numbers(batch).to(words.device, words.dtype), tokens.kind)], 1)


def token_numbers(batch: Sequence[Conditions]) -> Tensor:
    """Return the numbers of the semantic tokens of ``batch``, ``[B, N, 3]``; all pictures have equally many."""
    return torch.stack([torch.from_numpy(one.tokens.numbers()) for one in batch if one.tokens is not None])
