"""The bytes of ``constriction``'s range coder, as few as possible."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import constriction
    from numpy.typing import NDArray

WORD_BYTES = 4


def shortest_bytes(encoder: constriction.stream.queue.RangeEncoder) -> bytes:
    """Return the shortest bytes that say all that was encoded, given that zeros follow them.

    Any number in the coder's final interval says it. The coder tells the interval's offset and width within its
    last two words; the words before those are the sealed ones, less a carry that sealing may have caused.
    """
    sealed = encoder.get_compressed()
    words, (offset, width) = encoder.pos()
    bits = 32 * (words + 2)
    point = int.from_bytes(sealed.astype(">u4").tobytes(), "big") << (bits - 32 * len(sealed))
    before = point >> 64
    low = (before << 64) + offset
    if low > point:
        low -= 1 << 64
    for length in range(bits // 8 + 1):
        unused = bits - 8 * length
        value = -(-low >> unused)
        if value << unused < low + width:
            return bytes(value.to_bytes(length, "big"))
    raise AssertionError("an interval holds its own lower end")


def words_of(data: bytes) -> NDArray[np.uint32]:
    """Return the range coder's words, big-endian in ``data``, whose trailing zero bytes were left out."""
    padded = data + bytes(-len(data) % WORD_BYTES)
    return np.frombuffer(padded, ">u4").astype(np.uint32)
