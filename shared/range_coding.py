"""Range coding with models of integer tables, in the fewest whole bytes; reading is the exact inverse of writing.

constriction's range coder works on 32-bit words; a payload of some ten bytes cannot afford to be rounded up to those.
"""

from __future__ import annotations

from typing import Any

import constriction
import numpy as np
from numpy.typing import NDArray

from shared.errors import BitstreamError

Symbols = NDArray[np.int32]
WORD_BYTES = 4


def table_model(counts: NDArray[np.integer[Any]]) -> Any:
    """Return the model of symbols 0, 1, ... whose probabilities are as ``counts`` (flat), each at least 1.

    It is the same on any machine: perfect=False takes sums and products of exact integers only, where the search of
    perfect=True takes logarithms.
    """
    return constriction.stream.model.Categorical(counts.astype(np.float64), perfect=False, lazy=False)


def shortest_bytes(encoder: Any) -> bytes:
    """Return the shortest bytes that say all that ``encoder`` was given, a ``RangeEncoder``, if zeros follow them.

    Any number in the coder's final interval says it. The coder tells the interval's offset and width within its last
    two words; the words before those are the sealed ones, less a carry that sealing may have caused.
    """
    sealed = encoder.get_compressed()
    words, (offset, width) = encoder.pos()
    bits = 32 * (words + 2)
    point = int.from_bytes(sealed.astype(">u4").tobytes(), "big") << (bits - 32 * len(sealed))
    before = point >> 64
    low = (before << 64) + offset
    if low > point:
        low -= 1 << 64
    if low == 0:
        return b""
    length = (bits - _most_trailing_zeros(low, low + width) + 7) // 8
    unused = bits - 8 * length
    return bytes((-(-low >> unused)).to_bytes(length, "big"))


def _most_trailing_zeros(first: int, end: int) -> int:
    """Return the trailing zero bits of the number in ``first`` (at least 1) to ``end`` - 1 that has most.

    It is the last number, cut off after the bit in which it first differs from what comes before the first number.
    Trying one length after the other would take hours for a megabyte.
    """
    differing = ((first - 1) ^ (end - 1)).bit_length() - 1
    roundest = ((end - 1) >> differing) << differing
    return (roundest & -roundest).bit_length() - 1


def to_words(data: bytes) -> NDArray[np.uint32]:
    """Return the range coder's words, big-endian in ``data``, whose trailing zero bytes were left out."""
    padded = data + bytes(-len(data) % WORD_BYTES)
    return np.frombuffer(padded, ">u4").astype(np.uint32)


class RangeWriter:
    """Range-codes symbols, first in first out."""

    def __init__(self) -> None:
        self._encoder = constriction.stream.queue.RangeEncoder()

    def write(self, symbols: Symbols, model: Any) -> None:
        """Append ``symbols`` (flat), each by ``model``."""
        self._encoder.encode(symbols.astype(np.int32), model)

    def to_bytes(self) -> bytes:
        """Return the shortest bytes that say all symbols, given that zeros follow them."""
        return shortest_bytes(self._encoder)


class RangeReader:
    """Inverts `RangeWriter`. ``what`` names the payload in errors."""

    def __init__(self, data: bytes, what: str) -> None:
        self._data, self._what = data, what
        self._decoder = constriction.stream.queue.RangeDecoder(to_words(data))
        self._again = RangeWriter()

    def read(self, count: int, model: Any) -> Symbols:
        """Return the next ``count`` symbols, each by ``model``.

        Raises:
            BitstreamError: no encoder writes these bytes.
        """
        try:
            symbols: Symbols = self._decoder.decode(model, count)
        except (AssertionError, ValueError) as error:  # constriction's "invalid for the employed entropy model"
            raise BitstreamError(f"the {self._what} payload is damaged: its bytes decode to no symbol") from error
        self._again.write(symbols, model)
        return symbols

    def finish(self) -> None:
        """Check that the symbols read so far are all that the bytes say.

        Raises:
            BitstreamError: the encoder writes these symbols in other bytes, so something was cut off or added.
        """
        if self._again.to_bytes() != self._data:
            raise BitstreamError(
                f"the {self._what} payload is damaged: {len(self._data)} bytes are not what its symbols are coded in"
            )
