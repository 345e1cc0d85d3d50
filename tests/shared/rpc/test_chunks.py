"""Chunks of byte strings."""

from __future__ import annotations

import pytest

from shared.errors import LimitError
from shared.rpc.chunks import ChunkBuffer, split_chunks
from shared.rpc.limits import CHUNK_BYTES


def test_chunks_join_again_and_have_a_limit():
    data = bytes(range(256)) * 700
    pieces = list(split_chunks(data))
    assert max(map(len, pieces)) == CHUNK_BYTES
    buffer = ChunkBuffer("the picture file", limit=len(data))
    for piece in pieces:
        buffer.add(piece)
    assert buffer.join() == data
    with pytest.raises(LimitError, match="picture file is larger than 179200 bytes"):
        buffer.add(b"x")
