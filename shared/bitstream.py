"""The ``.sem`` container: all guidance streams of one picture and a cyclic redundancy check (CRC).

``docs/bitstream.md`` gives the byte layout. ``Bitstream.unpack`` is the exact inverse of ``Bitstream.pack``. Every
value has one encoding, and ``unpack`` rejects everything else: one changed byte is always detected.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from fastcrc import crc16

from shared.errors import BitstreamError, PictureError
from shared.streams import MAX_UNITS, Stream, StreamKind

VERSION_WHOLE, VERSION_UNITS = 1, 2
"""Version 1: every stream is one unit. Version 2: a stream may have several units, and there may be a BASE."""
MIN_SIDE: Final = 64
MAX_SIDE: Final = 8192
PICTURE_HEADER_BYTES: Final = 4
MAX_BITSTREAM_BYTES: Final = 1 << 20

_CONTAINER_CRC_BYTES: Final = 2
_SIDE_BITS: Final = 13  # a side less one, 0 to 8191
_SIDE_MASK: Final = (1 << _SIDE_BITS) - 1
_GREY_BIT: Final = 1 << 28
_LONG_BIT: Final = 1 << 27
_RESERVED_BIT: Final = 1 << 26
_LAST_FLAG: Final = 0x80
_UNITS_FLAG: Final = 0x40
_LENGTH_BYTES: Final = 3  # of LEB128: up to 2,097,151, more than any container holds


@dataclass(frozen=True, slots=True)
class PictureHeader:
    """Size of the picture: ``width`` and ``height`` in pixels, 64 to 8192; ``grey`` if it has one channel.

    Raises:
        PictureError: a side is outside the range.
    """

    width: int
    height: int
    grey: bool = False

    def __post_init__(self) -> None:
        if not (MIN_SIDE <= self.width <= MAX_SIDE and MIN_SIDE <= self.height <= MAX_SIDE):
            raise PictureError(
                f"this picture is {self.width}x{self.height} pixels; the link carries {MIN_SIDE} to {MAX_SIDE} "
                "on a side; resize it first"
            )

    @property
    def pixels(self) -> int:
        """Number of pixels, the denominator of bpp."""
        return self.width * self.height

    def pack(self, version: int = VERSION_WHOLE, *, long: bool = False) -> bytes:
        """Return the 4 header bytes. In a packet, ``long`` announces a unit field of 3 bytes instead of 1."""
        word = version << 29 | (self.width - 1) << _SIDE_BITS | (self.height - 1)
        word |= (_LONG_BIT if long else 0) | (_GREY_BIT if self.grey else 0)
        return word.to_bytes(PICTURE_HEADER_BYTES, "big")

    @classmethod
    def unpack(cls, data: bytes) -> PictureHeader:
        """Read the header that ``data`` starts with.

        Raises:
            BitstreamError: as ``read_header``, or the header announces a long unit field.
        """
        header, _, long = read_header(data)
        if long:
            raise BitstreamError("reserved header bits are set; this is not the header of a container")
        return header


def read_header(data: bytes) -> tuple[PictureHeader, int, bool]:
    """Return the header that ``data`` starts with, its version, and whether it announces a long unit field.

    Raises:
        BitstreamError: too short, another version, reserved bits set, or a side below 64 pixels.
    """
    if len(data) < PICTURE_HEADER_BYTES:
        raise BitstreamError(f"a picture header takes {PICTURE_HEADER_BYTES} bytes, only {len(data)} are left")
    word = int.from_bytes(data[:PICTURE_HEADER_BYTES], "big")
    version, long = word >> 29, bool(word & _LONG_BIT)
    if version not in (VERSION_WHOLE, VERSION_UNITS):
        raise BitstreamError(
            f"bitstream version {version}; this build reads versions {VERSION_WHOLE} and {VERSION_UNITS}; use the "
            "release that wrote it"
        )
    if word & _RESERVED_BIT or (long and version == VERSION_WHOLE):
        raise BitstreamError(f"reserved header bits are set; this is not a picture header of version {version}")
    width, height = (word >> _SIDE_BITS & _SIDE_MASK) + 1, (word & _SIDE_MASK) + 1
    if min(width, height) < MIN_SIDE:
        raise BitstreamError(f"the header names {width}x{height} pixels; a side is {MIN_SIDE} to {MAX_SIDE}")
    return PictureHeader(width, height, bool(word & _GREY_BIT)), version, long


@dataclass(frozen=True, slots=True)
class Bitstream:
    """The streams of one picture, at most one per kind, in ascending order of kind.

    Raises:
        BitstreamError: a kind twice or out of order, or more than ``MAX_BITSTREAM_BYTES`` in all.
    """

    header: PictureHeader
    streams: tuple[Stream, ...]

    def __post_init__(self) -> None:
        _require_ascending([stream.kind for stream in self.streams])
        payload_bytes = sum(len(stream.payload) for stream in self.streams)
        lengths = sum(1 + (1 + len(stream.lengths) if stream.lengths else 0) for stream in self.streams)
        overhead = PICTURE_HEADER_BYTES + _CONTAINER_CRC_BYTES + len(self.streams) + _LENGTH_BYTES * lengths
        if payload_bytes + overhead > MAX_BITSTREAM_BYTES:
            raise BitstreamError(
                f"{payload_bytes} payload bytes; a bitstream holds {MAX_BITSTREAM_BYTES} in all; lower the budget"
            )

    def stream(self, kind: StreamKind) -> Stream | None:
        """Return the stream of ``kind``, or None if the picture has none."""
        return next((stream for stream in self.streams if stream.kind == kind), None)

    @property
    def version(self) -> int:
        """The lowest version that can hold these streams: pictures of version 1 keep their bytes."""
        needs_units = any(stream.lengths or stream.kind is StreamKind.BASE for stream in self.streams)
        return VERSION_UNITS if needs_units else VERSION_WHOLE

    def pack(self) -> bytes:
        """Return the ``.sem`` file: header, streams, CRC."""
        body = bytearray(self.header.pack(self.version))
        for position, stream in enumerate(self.streams, start=1):
            last = position == len(self.streams)
            body.append(stream.kind | (_LAST_FLAG if last else 0) | (_UNITS_FLAG if stream.lengths else 0))
            numbers = () if last else (len(stream.payload),)
            if stream.lengths:
                numbers = (*numbers, len(stream.lengths), *stream.lengths[:-1])
            body += b"".join(map(_leb128, numbers)) + stream.payload
        return bytes(body) + _check_bytes(bytes(body))

    @classmethod
    def unpack(cls, data: bytes) -> Bitstream:
        """Read a complete ``.sem`` file; the exact inverse of ``pack``.

        Raises:
            BitstreamError: ``data`` is not byte for byte what ``pack`` writes for some picture.
        """
        if not PICTURE_HEADER_BYTES + _CONTAINER_CRC_BYTES <= len(data) <= MAX_BITSTREAM_BYTES:
            raise BitstreamError(
                f"{len(data)} bytes; a .sem file has {PICTURE_HEADER_BYTES + _CONTAINER_CRC_BYTES} to "
                f"{MAX_BITSTREAM_BYTES}; it is truncated or not a .sem file"
            )
        body, check = data[:-_CONTAINER_CRC_BYTES], data[-_CONTAINER_CRC_BYTES:]
        if _check_bytes(body) != check:
            raise BitstreamError("the CRC does not match: the .sem file is damaged, truncated or no .sem file at all")
        header, version, long = read_header(body)
        bitstream = cls(header, _streams(body[PICTURE_HEADER_BYTES:]))
        if long or bitstream.version != version:
            raise BitstreamError(f"the header of version {version} does not fit the streams; this is not a .sem file")
        return bitstream


def bpp(n_bytes: int, width: int, height: int) -> float:
    """Return bits per pixel of the full picture for ``n_bytes`` on the wire."""
    return 8 * n_bytes / (width * height)


def _require_ascending(kinds: list[StreamKind]) -> None:
    if any(second <= first for first, second in pairwise(kinds)):
        names = ", ".join(kind.name for kind in kinds)
        raise BitstreamError(f"streams {names}: each kind comes at most once, in ascending order")


def _check_bytes(body: bytes) -> bytes:
    """CRC-16/GENIBUS: the CCITT polynomial with an inverted result.

    CCITT-FALSE has no inversion and would accept a file with two zero bytes appended: they would extend the last
    stream, whose length is implied.
    """
    return crc16.genibus(body).to_bytes(_CONTAINER_CRC_BYTES, "big")


def _streams(data: bytes) -> tuple[Stream, ...]:
    """Parse the part between header and CRC."""
    streams: list[Stream] = []
    position, last = 0, not data
    while not last:
        if position == len(data):
            raise BitstreamError("the bytes end before a stream that is marked as the last one")
        tag = data[position]
        position += 1
        kind, last = _kind(tag), bool(tag & _LAST_FLAG)
        length = None
        if not last:
            length, position = _read_leb128(data, position)
        counts, position = _read_unit_lengths(data, position) if tag & _UNITS_FLAG else ((), position)
        left = len(data) - position
        length = left if length is None else length
        if length > left or sum(counts) > length:
            raise BitstreamError(f"stream {kind.name} claims {max(length, sum(counts))} bytes, {left} are left")
        lengths = (*counts, length - sum(counts)) if counts else ()
        streams.append(Stream(kind, data[position : position + length], lengths))
        position += length
        _require_ascending([stream.kind for stream in streams])  # bounds the loop by the number of kinds
    return tuple(streams)


def _kind(tag: int) -> StreamKind:
    try:
        return StreamKind(tag & ~(_LAST_FLAG | _UNITS_FLAG))
    except ValueError as error:
        raise BitstreamError(f"stream tag {tag:#04x} names no stream kind of this version") from error


def _read_unit_lengths(data: bytes, position: int) -> tuple[tuple[int, ...], int]:
    """Return the lengths of all units but the last, and the position after them."""
    count, position = _read_leb128(data, position)
    if not 2 <= count <= min(MAX_UNITS, 1 + len(data) - position):
        raise BitstreamError(f"a stream of {count} units in {len(data) - position} bytes; several are 2 to {MAX_UNITS}")
    lengths = []
    for _ in range(count - 1):
        length, position = _read_leb128(data, position)
        lengths.append(length)
    return tuple(lengths), position


def _leb128(value: int) -> bytes:
    """Unsigned LEB128 in its shortest form."""
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _read_leb128(data: bytes, position: int) -> tuple[int, int]:
    """Return the value at ``position`` and the position after it; only the shortest form is accepted."""
    value = 0
    for index, byte in enumerate(data[position : position + _LENGTH_BYTES]):
        value |= (byte & 0x7F) << 7 * index
        if byte < 0x80:
            if byte == 0 and index > 0:
                raise BitstreamError("a stream length is not in its shortest form")
            return value, position + index + 1
    raise BitstreamError(f"a stream length does not end within {_LENGTH_BYTES} bytes")
