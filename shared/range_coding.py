"""Range coding with integer probability tables, in the fewest bytes.

constriction's range coder writes 32-bit words. Payloads have about ten bytes, so rounding up to words would cost too
much. Reading is the exact inverse of writing.
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
    """Return the model of symbols 0, 1, ... with probabilities proportional to ``counts`` (flat), each at least 1.

    The model is the same on every machine: perfect=False computes with exact integers. perfect=True would use
    logarithms, which differ between machines.
    """
    return constriction.stream.model.Categorical(counts.astype(np.float64), perfect=False, lazy=False)


def shortest_bytes(encoder: Any) -> bytes:
    """Return the shortest bytes that decode to all symbols in ``encoder``, a ``RangeEncoder``, if zeros follow them.

    Every number in the coder's final interval decodes to these symbols. The coder returns the interval's offset and
    width within its last two words. The words before those are the sealed ones, minus the carry that sealing may have
    caused.
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
    """Return the most trailing zero bits of any number in ``first`` (at least 1) to ``end`` - 1.

    That number is ``end`` - 1, cut off after the first bit in which it differs from ``first`` - 1. Trying one length
    after the other would take hours for a megabyte.
    """
    differing = ((first - 1) ^ (end - 1)).bit_length() - 1
    roundest = ((end - 1) >> differing) << differing
    return (roundest & -roundest).bit_length() - 1


def to_words(data: bytes) -> NDArray[np.uint32]:
    """Return the range coder's words from the big-endian ``data``, whose trailing zero bytes were left out."""
    padded = data + bytes(-len(data) % WORD_BYTES)
    return np.frombuffer(padded, ">u4").astype(np.uint32)


class RangeWriter:
    """Range-codes symbols, first in first out."""

    def __init__(self) -> None:
        self._encoder = constriction.stream.queue.RangeEncoder()

    def write(self, symbols: Symbols, model: Any) -> None:
        """Append ``symbols`` (flat), each coded with ``model``."""
        self._encoder.encode(symbols.astype(np.int32), model)

    def to_bytes(self) -> bytes:
        """Return the shortest bytes that decode to all symbols, if zeros follow them."""
        return shortest_bytes(self._encoder)


class RangeReader:
    """Reads what `RangeWriter` wrote. ``what`` names the payload in error messages."""

    def __init__(self, data: bytes, what: str) -> None:
        self._data, self._what = data, what
        self._decoder = constriction.stream.queue.RangeDecoder(to_words(data))
        self._again = RangeWriter()

    def read(self, count: int, model: Any) -> Symbols:
        """Return the next ``count`` symbols, each coded with ``model``.

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
        """Check that the bytes hold exactly the symbols read so far.

        Raises:
            BitstreamError: the encoder writes these symbols as other bytes, so bytes were cut off or added.
        """
        if self._again.to_bytes() != self._data:
            raise BitstreamError(
                f"the {self._what} payload is damaged: its symbols do not encode to these {len(self._data)} bytes"
            )
