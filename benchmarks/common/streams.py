"""Subsets of the streams of a picture."""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING

from shared.bitstream import Bitstream

if TYPE_CHECKING:
    from collections.abc import Iterator

    from shared.streams import StreamKind


def stream_subsets(kinds: tuple[StreamKind, ...]) -> Iterator[tuple[StreamKind, ...]]:
    """Yield every subset of ``kinds``, the largest first."""
    for size in range(len(kinds), -1, -1):
        yield from combinations(kinds, size)


def keep_streams(bitstream: Bitstream, kinds: tuple[StreamKind, ...]) -> Bitstream:
    """Return ``bitstream`` with its streams of ``kinds`` alone."""
    return Bitstream(bitstream.header, tuple(stream for stream in bitstream.streams if stream.kind in kinds))
