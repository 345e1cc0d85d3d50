"""Byte strings of any size as bounded chunks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shared.errors import LimitError
from shared.rpc.limits import CHUNK_BYTES, MAX_PICTURE_BYTES

if TYPE_CHECKING:
    from collections.abc import Iterator


def split_chunks(data: bytes) -> Iterator[bytes]:
    """Yield ``data`` in pieces of at most CHUNK_BYTES."""
    for start in range(0, len(data), CHUNK_BYTES):
        yield data[start : start + CHUNK_BYTES]


class ChunkBuffer:
    """Gathers chunks up to a limit.

    Args:
        what: what the chunks make up, for the error message.
        limit: most bytes that are taken in.
    """

    def __init__(self, what: str, limit: int = MAX_PICTURE_BYTES) -> None:
        self._what = what
        self._limit = limit
        self._data = bytearray()

    def __len__(self) -> int:
        return len(self._data)

    def add(self, chunk: bytes) -> None:
        """Append ``chunk``.

        Raises:
            LimitError: the chunks are more than the limit together.
        """
        if len(self._data) + len(chunk) > self._limit:
            raise LimitError(f"{self._what} is larger than {self._limit} bytes, the limit of this service")
        self._data += chunk

    def join(self) -> bytes:
        """Return all chunks as one byte string."""
        return bytes(self._data)
