"""Packets as RaptorQ symbols (RFC 6330) of one object, and back.

A source symbol is what differs between packets: the packet without primary header, picture id and CRC, which the
object's header tells, then one byte 0x80, then zeros up to the longest. Trailing zeros that all source symbols share
stay zero in every repair symbol, the code being linear byte by byte: what the library needs of padding to its
alignment is therefore not sent.

The library must not be handed anything unchecked: it returns wrong bytes for a damaged symbol, and panics (a
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
    """Return one symbol per packet content, all as long as the longest content and one byte."""
    length = max(map(len, contents)) + len(_END_MARK)
    return [source_symbol(content, length) for content in contents]


def source_symbol(content: bytes, length: int) -> bytes:
    """Return ``content``, end mark and zeros: ``length`` bytes unless ``content`` is too long for that."""
    return (content + _END_MARK).ljust(length, b"\0")


def extract_content(symbol: bytes) -> bytes | None:
    """Return the packet content that became ``symbol``, None where there is none."""
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

    Below ``source_count`` ids are source symbols, from there on repair symbols; all symbols have one length. None
    where they do not suffice, which with ``source_count`` of them or more is rare but happens. Whether the symbols are
    those that were sent, only ``object_digest`` tells.
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
