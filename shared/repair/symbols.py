"""Converts packets to RaptorQ symbols (RFC 6330) of one object, and back.

A source symbol is the packet without primary header, picture id and CRC (the object's header gives those), then one
byte 0x80, then zeros up to the longest symbol. The code is linear byte by byte, so trailing zeros that all source
symbols share are zero in every repair symbol. The padding for the library's alignment is therefore not sent.

Check all symbols before they reach the library: it returns wrong bytes for a damaged symbol, and panics (a
``BaseException``) on symbols of unequal length or of less than 8 bytes.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Final

from shared.repair.packet import DIGEST_BYTES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from shared.repair.packet import StreamRun

_END_MARK: Final = b"\x80"
_ALIGNMENT: Final = 8  # of the library's symbols; with it and up to 1024 symbols it makes one block of one sub-block
_PAYLOAD_ID_BYTES: Final = 4  # RFC 6330, 3.2: source block number (8 bits), encoding symbol id (24 bits)


def source_symbols(contents: Sequence[bytes]) -> list[bytes]:
    """Return one symbol per packet content. All are one byte longer than the longest content."""
    length = max(map(len, contents)) + len(_END_MARK)
    return [source_symbol(content, length) for content in contents]


def source_symbol(content: bytes, length: int) -> bytes:
    """Return ``content``, end mark and zeros: ``length`` bytes, or more if ``content`` is longer."""
    return (content + _END_MARK).ljust(length, b"\0")


def extract_content(symbol: bytes) -> bytes | None:
    """Return the packet content in ``symbol``; None if it has no end mark."""
    marked = symbol.rstrip(b"\0")
    return marked[: -len(_END_MARK)] if marked.endswith(_END_MARK) else None


def object_digest(picture_id: int, runs: Sequence[StreamRun], symbols: Sequence[bytes]) -> bytes:
    """Return the first 4 bytes of SHA-256 over picture id, runs (each after its kind) and source symbols."""
    digest = hashlib.sha256(bytes([picture_id]))
    for run in runs:
        digest.update(bytes([run.kind]) + run.pack())
    for symbol in symbols:
        digest.update(symbol)
    return digest.digest()[:DIGEST_BYTES]


def repair_symbols(symbols: Sequence[bytes], count: int) -> list[bytes]:
    """Return the first ``count`` repair symbols over source ``symbols`` of one length, each of that length."""
    from raptorq import Encoder  # noqa: PLC0415 - only links with repair need it

    length = len(symbols[0])
    aligned = _align(length)
    encoder = Encoder.with_defaults(b"".join(symbol.ljust(aligned, b"\0") for symbol in symbols), aligned)
    packets: list[bytes] = encoder.get_encoded_packets(count)[len(symbols) :]
    return [packet[_PAYLOAD_ID_BYTES:][:length] for packet in packets]


def decode_symbols(received: Mapping[int, bytes], source_count: int) -> list[bytes] | None:
    """Return all ``source_count`` source symbols from the ``received`` ones by encoding symbol id.

    Ids below ``source_count`` are source symbols, the others are repair symbols; all have the same length. The result
    is None if the symbols are not enough, which is rare with ``source_count`` or more of them. Check with
    ``object_digest`` that the symbols are the ones that were sent.
    """
    if len(received) < source_count:
        return None
    from raptorq import Decoder  # noqa: PLC0415

    length = len(next(iter(received.values())))
    aligned = _align(length)
    decoder = Decoder.with_defaults(source_count * aligned, aligned)
    for symbol_id, symbol in received.items():
        found: bytes | None = decoder.decode(
            symbol_id.to_bytes(_PAYLOAD_ID_BYTES, "big") + symbol.ljust(aligned, b"\0")
        )
        if found is not None:
            return [found[start : start + length] for start in range(0, len(found), aligned)]
    return None


def _align(length: int) -> int:
    return -(-length // _ALIGNMENT) * _ALIGNMENT
