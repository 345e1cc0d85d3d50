"""How often each code stands at each place: the tables that token payloads are coded by."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from shared.tokens.stream import CODES, MAX_TOKENS, TokenKind

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from sender.extractors.token_network import TokenNetwork
    from training.pocket.evidence import Evidence

TABLE = Path(__file__).parents[2] / "shared" / "tokens" / "counts.npy"
BATCH = 64
TOTAL = 1 << 14
"""Of a place's counts, about; each code counts at least one."""


@torch.inference_mode()
def token_counts(tokens: dict[TokenKind, TokenNetwork], evidence: Evidence) -> NDArray[np.uint16]:
    """Return ``[2, 64, 64]``: kind, place, code."""
    seen = np.zeros((len(TokenKind), MAX_TOKENS, CODES), np.int64)
    places = np.arange(MAX_TOKENS)
    for start in range(0, len(evidence), BATCH):
        rows = evidence.rows(np.arange(start, min(start + BATCH, len(evidence))))
        for kind, network in tokens.items():
            _, codes = network(rows["seen"], rows["seen_hci"], rows["caption"], rows["captioned"])
            for one in codes.numpy():
                seen[kind, places, one] += 1
    share = seen / seen.sum(2, keepdims=True)
    counts: NDArray[np.uint16] = np.maximum(np.rint(share * TOTAL), 1).astype(np.uint16)
    return counts


def bits_per_token(counts: NDArray[np.uint16]) -> NDArray[np.float64]:
    """Return the mean cost ``[2, 64]`` in bits of a token at each place, were codes as frequent as in ``counts``."""
    share = counts / counts.sum(2, keepdims=True)
    bits: NDArray[np.float64] = -(share * np.log2(share)).sum(2)
    return bits
