"""Converts packets to RaptorQ symbols (RFC 6330) of one object, and back.

A source symbol is the packet without primary header, picture id and CRC, then one byte 0x80 + sequence flags, then
zeros up to the longest symbol. The object's header gives the rest of the primary header, and the picture id. The code
is linear byte by byte, so trailing zeros that all source symbols share are zero in every repair symbol. The padding for
the library's alignment is therefore not sent.

Check all symbols before they reach the library: it returns wrong bytes for a damaged symbol, and panics (a
``BaseException``) on symbols of unequal length or of less than 8 bytes.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Final

from spacepackets.ccsds.spacepacket import SequenceFlags  # type: ignore[import-untyped]

from shared.repair.packet import DIGEST_BYTES, END_MARK_BYTES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from shared.repair.packet import StreamRun

_END_MARK: Final = 0x80
_ALIGNMENT: Final = 8  # of the library's symbols; with it and up to 1024 symbols it makes one block of one sub-block
_PAYLOAD_ID_BYTES: Final = 4  # RFC 6330, 3.2: source block number (8 bits), encoding symbol id (24 bits)


def source_symbols(contents: Sequence[tuple[bytes, SequenceFlags]]) -> list[bytes]:
    """Return one symbol per packet content and its sequence flags. All are one byte longer than the longest content."""
    length = max(len(content) for content, _ in contents) + END_MARK_BYTES
    return [source_symbol(content, flags, length) for content, flags in contents]


def source_symbol(content: bytes, flags: SequenceFlags, length: int) -> bytes:
    """Return ``content``, end mark and zeros: ``length`` bytes, or more if ``content`` is longer."""
    return (content + bytes([_END_MARK | flags])).ljust(length, b"\0")


def extract_content(symbol: bytes) -> tuple[bytes, SequenceFlags] | None:
    """Return the packet content in ``symbol`` and its sequence flags; None if it has no end mark."""
    marked = symbol.rstrip(b"\0")
    if not marked or not _END_MARK <= marked[-1] <= _END_MARK | max(SequenceFlags):
        return None
    return marked[:-END_MARK_BYTES], SequenceFlags(marked[-1] - _END_MARK)


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
