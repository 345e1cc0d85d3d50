"""Writes and reads single symbols with integer weights through the range coder."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Protocol

import numpy as np

from shared.errors import BitstreamError
from shared.range_coding import RangeReader, RangeWriter, table_model

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Weights = NDArray[np.int64]


class SymbolSink(Protocol):
    """Takes symbols one at a time."""

    def write(self, weights: Weights, symbol: int) -> None:
        """Take ``symbol``, whose probability is proportional to its entry in ``weights`` (positive, sum below 2^53)."""
        ...


class Writer:
    """Range-codes symbols."""

    def __init__(self) -> None:
        self._coder = RangeWriter()

    def write(self, weights: Weights, symbol: int) -> None:
        """Append ``symbol``."""
        self._coder.write(np.array([symbol]), table_model(weights))

    def to_bytes(self) -> bytes:
        """Return the shortest bytes that decode to all symbols, if zeros follow them."""
        return self._coder.to_bytes()


class BitCounter:
    """Adds up the cost of symbols in ``bits``."""

    bits = 0.0

    def write(self, weights: Weights, symbol: int) -> None:
        """Add the cost of ``symbol``."""
        self.bits += math.log2(int(weights.sum()) / int(weights[symbol]))


class Reader:
    """Reads what `Writer` wrote, at most ``most`` symbols. This limits the time that damaged bytes can take."""

    def __init__(self, data: bytes, most: int) -> None:
        self._coder, self._left = RangeReader(data, "caption"), most

    def read(self, weights: Weights) -> int:
        """Return the next symbol.

        Raises:
            BitstreamError: no writer writes these bytes, or they hold more than ``most`` symbols.
        """
        self._left -= 1
        if self._left < 0:
            raise BitstreamError("the caption payload is damaged: it holds more symbols than a caption may have")
        return int(self._coder.read(1, table_model(weights))[0])
