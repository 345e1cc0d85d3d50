"""Splits byte strings into chunks, and joins chunks up to a limit."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shared.errors import LimitError
from shared.rpc.limits import CHUNK_BYTES, MAX_PICTURE_BYTES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from shared.rpc.budget import Share


def split_chunks(data: bytes) -> Iterator[bytes]:
    """Yield ``data`` in chunks of at most ``CHUNK_BYTES``."""
    for start in range(0, len(data), CHUNK_BYTES):
        yield data[start : start + CHUNK_BYTES]


class ChunkBuffer:
    """Joins chunks up to a limit.

    Args:
        what: name of the joined data in the error message.
        share: the memory of the call, which each byte takes twice: ``join`` copies.
        limit: most bytes of the joined data.
    """

    def __init__(self, what: str, share: Share | None = None, limit: int = MAX_PICTURE_BYTES) -> None:
        self._what = what
        self._share = share
        self._limit = limit
        self._data = bytearray()

    def __len__(self) -> int:
        return len(self._data)

    def add(self, chunk: bytes) -> None:
        """Append ``chunk``.

        Raises:
            LimitError: the joined data exceeds the limit, or all calls together exceed theirs.
        """
        if len(self._data) + len(chunk) > self._limit:
            raise LimitError(f"{self._what} is larger than {self._limit} bytes, the limit of this service")
        if self._share is not None:
            self._share.grow(2 * len(chunk))
        self._data += chunk

    def join(self) -> bytes:
        """Return all chunks as one byte string."""
        return bytes(self._data)
