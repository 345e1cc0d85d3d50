"""How often each code occurs at each place: the tables that code token payloads."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from shared.tokens.stream import CODES, MAX_TOKENS, TokenKind

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from sender.extractors.token_network import TokenNetwork
    from training.pocket.precomputed import Precomputed

TABLE = Path(__file__).parents[2] / "shared" / "tokens" / "counts.npy"
BATCH = 64
TOTAL = 1 << 14
"""Approximate sum of the counts of a place; each code counts at least one."""


@torch.inference_mode()
def count_tokens(tokens: dict[TokenKind, TokenNetwork], precomputed: Precomputed) -> NDArray[np.uint16]:
    """Return ``[2, 64, 64]``: kind, place, code."""
    seen = np.zeros((len(TokenKind), MAX_TOKENS, CODES), np.int64)
    places = np.arange(MAX_TOKENS)
    for start in range(0, len(precomputed), BATCH):
        rows = precomputed.rows(np.arange(start, min(start + BATCH, len(precomputed))))
        for kind, network in tokens.items():
            _, codes = network(rows["seen"], rows["seen_hci"], rows["caption"], rows["captioned"])
            for one in codes.numpy():
                seen[kind, places, one] += 1
    share = seen / seen.sum(2, keepdims=True)
    counts: NDArray[np.uint16] = np.maximum(np.rint(share * TOTAL), 1).astype(np.uint16)
    return counts


def measure_bits_per_token(counts: NDArray[np.uint16]) -> NDArray[np.float64]:
    """Return the mean cost ``[2, 64]`` in bits of a token at each place, were codes as frequent as in ``counts``."""
    share = counts / counts.sum(2, keepdims=True)
    bits: NDArray[np.float64] = -(share * np.log2(share)).sum(2)
    return bits
