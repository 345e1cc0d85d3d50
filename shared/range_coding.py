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


def words_of(data: bytes) -> NDArray[np.uint32]:
    """Return the range coder's words, big-endian in ``data``, whose trailing zero bytes were left out."""
    padded = data + bytes(-len(data) % WORD_BYTES)
    return np.frombuffer(padded, ">u4").astype(np.uint32)
