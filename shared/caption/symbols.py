"""Symbols with integer weights through ``constriction``'s range coder, one at a time."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Protocol

import constriction
import numpy as np

from shared.errors import BitstreamError
from shared.range_coding import shortest_bytes, words_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Weights = NDArray[np.int64]


class Sink(Protocol):
    """Where a sender's symbols go."""

    def say(self, weights: Weights, symbol: int) -> None:
        """Take ``symbol`` where ``weights`` (positive, sum below 2^53) tell how likely each one is."""
        ...


class Writer:
    """Range-codes symbols."""

    def __init__(self) -> None:
        self._encoder = constriction.stream.queue.RangeEncoder()

    def say(self, weights: Weights, symbol: int) -> None:
        """Append ``symbol``."""
        self._encoder.encode(symbol, _model(weights))

    def finished(self) -> bytes:
        """Return the shortest bytes that say all symbols, given that zeros follow them."""
        return shortest_bytes(self._encoder)


class Meter:
    """Adds up what symbols cost, in ``bits``."""

    bits = 0.0

    def say(self, weights: Weights, symbol: int) -> None:
        """Add the cost of ``symbol``."""
        self.bits += math.log2(int(weights.sum()) / int(weights[symbol]))


class Reader:
    """Reads what `Writer` wrote: at most ``most`` symbols, which bounds the time that foreign bytes can take."""

    def __init__(self, data: bytes, most: int) -> None:
        self._decoder, self._left = constriction.stream.queue.RangeDecoder(words_of(data)), most

    def heard(self, weights: Weights) -> int:
        """Return the next symbol.

        Raises:
            BitstreamError: no writer says this, or it says more than ``most`` symbols.
        """
        self._left -= 1
        if self._left < 0:
            raise BitstreamError("the caption's payload is damaged: its bytes say more than a caption may have")
        try:
            return int(self._decoder.decode(_model(weights)))
        except (AssertionError, ValueError) as error:  # constriction's "invalid for the employed entropy model"
            raise BitstreamError("the caption's payload is damaged: its bytes say no symbol") from error


def _model(weights: Weights) -> constriction.stream.model.Categorical:
    # perfect=False takes sums and products of these exact integers only; the search of perfect=True, logarithms.
    return constriction.stream.model.Categorical(weights.astype(np.float64), perfect=False, lazy=True)
