"""CCSDS Space Packets (CCSDS 133.0-B-2) that carry the streams of a picture.

Each stream kind has its own application process id (APID). A stream consists of units that decode without each other.
A unit is one packet where it fits, else several segments. The sequence flags mark a unit's first and last segment. The
14-bit sequence count gives the order of all segments of a stream and continues from picture to picture. Every packet
ends with a cyclic redundancy check (CRC). ``docs/bitstream.md`` gives the byte layout.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from fastcrc import crc16
from spacepackets.ccsds.spacepacket import (  # type: ignore[import-untyped]
    PacketType,
    SequenceFlags,
    SpacePacketHeader,
)

from shared.bitstream import (
    PICTURE_HEADER_BYTES,
    VERSION_UNITS,
    VERSION_WHOLE,
    Bitstream,
    PictureHeader,
    read_header,
)
from shared.errors import BitstreamError, ConfigError, PacketError
from shared.streams import MAX_UNITS, Stream, StreamKind

if TYPE_CHECKING:
    from collections.abc import Sequence

APID_BASE: Final = 0x40
PICTURE_IDS: Final = 256
SEQUENCE_COUNTS: Final = 1 << 14
# Half of the count's range, so that two segments of one stream are always in a known order.
MAX_SEGMENTS: Final = SEQUENCE_COUNTS // 2
MIN_PACKET_BYTES: Final = 32
MAX_PACKET_BYTES: Final = 1024
"""The packet sizes that a sender may choose. The last packet of a stream is often shorter."""
DEFAULT_PACKET_BYTES: Final = 256

PRIMARY_HEADER_BYTES: Final = 6
SHORTEST_SPACE_PACKET_BYTES: Final = PRIMARY_HEADER_BYTES + 1
"""CCSDS 133.0-B-2, 4.1.1: a primary header and at least one byte."""
_PICTURE_ID_BYTES: Final = 1
PACKET_CRC_BYTES: Final = 2
PACKET_OVERHEAD_BYTES: Final = PRIMARY_HEADER_BYTES + _PICTURE_ID_BYTES + PACKET_CRC_BYTES
_FIRST = (SequenceFlags.FIRST_SEGMENT, SequenceFlags.UNSEGMENTED)
# Most important first, so that a receiver can show a picture after the first packet.
_USUAL_ORDER: Final = (
    StreamKind.BASE,
    StreamKind.HCI,
    StreamKind.CAPTION,
    StreamKind.TOKENS,
    StreamKind.LATENT,
    StreamKind.REGIONS,
)
_SHORT_UNITS: Final = 16
_SHORT_UNIT_BYTES, _LONG_UNIT_BYTES = 1, 3


@dataclass(frozen=True, slots=True)
class UnitNumber:
    """Place of a unit in its stream: ``index`` from 0, and the number of units, ``count``, 1 to 4096."""

    index: int = 0
    count: int = 1

    @property
    def is_long(self) -> bool:
        """Whether the number takes 3 bytes instead of 1."""
        return self.count > _SHORT_UNITS

    def pack(self) -> bytes:
        """Return nothing for the only unit, else 1 byte, or 3 bytes for a stream of more than 16 units."""
        if self.count == 1:
            return b""
        if self.is_long:
            return (self.index << 12 | self.count - 1).to_bytes(_LONG_UNIT_BYTES, "big")
        return bytes([self.index << 4 | self.count - 1])

    @classmethod
    def unpack(cls, data: bytes, *, long: bool) -> UnitNumber:
        """Read the number that ``data`` starts with.

        Raises:
            PacketError: it is cut off, or not what ``pack`` writes for a unit.
        """
        size, bits = (_LONG_UNIT_BYTES, 12) if long else (_SHORT_UNIT_BYTES, 4)
        word = int.from_bytes(data[:size], "big")
        number = cls(word >> bits, (word & (1 << bits) - 1) + 1)
        if len(data) < size or number.index >= number.count or number.count == 1 or number.is_long != long:
            raise PacketError(f"unit number {data[:size].hex() or 'none'}: no unit of a stream of 2 to {MAX_UNITS}")
        return number


ONLY_UNIT: Final = UnitNumber()


@dataclass(frozen=True, slots=True)
class Packet:
    """One segment of one unit of a stream: ``data`` is its part of the unit.

    Only a unit's first segment has a ``header`` and the unit's number: the receiver gets the picture's size from any
    unit. ``picture_id`` is 0 to 255, ``sequence_count`` 0 to 16383.
    """

    kind: StreamKind
    picture_id: int
    sequence_flags: SequenceFlags
    sequence_count: int
    header: PictureHeader | None
    data: bytes
    unit: UnitNumber = ONLY_UNIT

    @property
    def is_first(self) -> bool:
        """Whether this is the first segment of its unit."""
        return self.sequence_flags in _FIRST

    @property
    def is_last(self) -> bool:
        """Whether this is the last segment of its unit."""
        return self.sequence_flags in (SequenceFlags.LAST_SEGMENT, SequenceFlags.UNSEGMENTED)

    def pack(self) -> bytes:
        """Return the Space Packet: primary header, picture id, [picture header, unit], data, CRC-16/CCITT-FALSE."""
        field_bytes = bytes([self.picture_id])
        if self.header is not None:
            version = VERSION_WHOLE if self.unit == ONLY_UNIT else VERSION_UNITS
            field_bytes += self.header.pack(version, long=self.unit.is_long) + self.unit.pack()
        field_bytes += self.data
        return space_packet(APID_BASE + self.kind, self.sequence_flags, self.sequence_count, field_bytes)

    @classmethod
    def unpack(cls, data: bytes) -> Packet:
        """Read exactly one Space Packet.

        Raises:
            PacketError: ``data`` is not byte for byte what ``pack`` writes for some segment.
        """
        primary = parse_primary_header(data)
        kind = _kind(primary.apid)
        flags = SequenceFlags(primary.seq_flags)
        start = PRIMARY_HEADER_BYTES + _PICTURE_ID_BYTES
        header, unit, rest = None, ONLY_UNIT, data[start:-PACKET_CRC_BYTES]
        if flags in _FIRST:
            header, unit, rest = _read_unit_start(rest)
        return cls(kind, data[PRIMARY_HEADER_BYTES], flags, primary.seq_count, header, rest, unit)


def _read_unit_start(data: bytes) -> tuple[PictureHeader, UnitNumber, bytes]:
    """Return picture header and unit number at the start of a unit's first segment, and the bytes after them."""
    try:
        header, version, long = read_header(data)
    except BitstreamError as error:
        raise PacketError(f"first segment without a picture header: {error}") from error
    rest = data[PICTURE_HEADER_BYTES:]
    if version == VERSION_WHOLE:
        return header, ONLY_UNIT, rest
    unit = UnitNumber.unpack(rest, long=long)
    return header, unit, rest[len(unit.pack()) :]


def space_packet(apid: int, flags: SequenceFlags, sequence_count: int, field_bytes: bytes) -> bytes:
    """Return a telemetry Space Packet: primary header, ``field_bytes``, CRC-16/CCITT-FALSE over both."""
    primary = SpacePacketHeader(
        packet_type=PacketType.TM,
        apid=apid,
        seq_count=sequence_count,
        data_len=len(field_bytes) + PACKET_CRC_BYTES - 1,  # 133.0-B-2, 4.1.3.5: octets of the data field less one
        seq_flags=flags,
    )
    packet = bytes(primary.pack()) + field_bytes
    return packet + crc16.ibm_3740(packet).to_bytes(PACKET_CRC_BYTES, "big")


def parse_primary_header(data: bytes) -> SpacePacketHeader:
    """Check length, CRC and the fixed fields, in that order, and return the primary header.

    Raises:
        PacketError: ``data`` is not what ``space_packet`` writes for some APID.
    """
    if not PACKET_OVERHEAD_BYTES <= len(data) <= MAX_PACKET_BYTES:
        raise PacketError(f"{len(data)} bytes; a packet of this link has {PACKET_OVERHEAD_BYTES} to {MAX_PACKET_BYTES}")
    if crc16.ibm_3740(data[:-PACKET_CRC_BYTES]) != int.from_bytes(data[-PACKET_CRC_BYTES:], "big"):
        raise PacketError("the packet's CRC does not match: it was damaged on the way")
    primary = SpacePacketHeader.unpack(data)
    if primary.packet_len != len(data):
        raise PacketError(f"the packet's header gives {primary.packet_len} bytes, but it has {len(data)}")
    if primary.ccsds_version or primary.packet_type != PacketType.TM or primary.sec_header_flag:
        raise PacketError("not a telemetry Space Packet of version number 0 without a secondary header")
    return primary


def _kind(apid: int) -> StreamKind:
    try:
        return StreamKind(apid - APID_BASE)
    except ValueError as error:
        known = ", ".join(f"{APID_BASE + kind:#05x} {kind.name}" for kind in StreamKind)
        raise PacketError(f"APID {apid:#05x} carries no stream of this link ({known})") from error


@dataclass(slots=True)
class Packetiser:
    """Cuts bitstreams into packets of at most ``packet_bytes`` (32 to 1024, headers and CRC included).

    ``next_count`` is the next 14-bit sequence count per stream kind. It continues from picture to picture. A sender may
    set it to resume a link.

    Raises:
        ConfigError: ``packet_bytes`` is out of range.
    """

    packet_bytes: int = DEFAULT_PACKET_BYTES
    next_count: dict[StreamKind, int] = field(default_factory=lambda: dict.fromkeys(StreamKind, 0))

    def __post_init__(self) -> None:
        if not MIN_PACKET_BYTES <= self.packet_bytes <= MAX_PACKET_BYTES:
            raise ConfigError(f"packet size {self.packet_bytes}: give {MIN_PACKET_BYTES} to {MAX_PACKET_BYTES} bytes")

    def packetise(self, bitstream: Bitstream, picture_id: int, order: Sequence[StreamKind] = ()) -> list[bytes]:
        """Return the packets of one picture, most important stream first.

        ``order`` is a codec's ``streams``. Kinds that it does not name follow in the usual order: base, highly
        compressed image (HCI), caption, tokens, latent, regions. Picture numbers are 0 to 255, then 0 again.

        Raises:
            ConfigError: ``picture_id`` is not 0 to 255, or a stream needs more than ``MAX_SEGMENTS`` packets.
        """
        if not 0 <= picture_id < PICTURE_IDS:
            raise ConfigError(f"picture id {picture_id}: give 0 to {PICTURE_IDS - 1} and start again at 0")
        by_kind = {stream.kind: stream for stream in bitstream.streams}
        # Cut all segments before any count changes: a picture that fails leaves no gap in the numbering.
        kinds = [kind for kind in dict.fromkeys((*order, *_USUAL_ORDER)) if kind in by_kind]
        segments = {kind: self._segments(by_kind[kind]) for kind in kinds}
        return [
            packet.pack()
            for kind, units in segments.items()
            for number, slices in units.items()
            for packet in self._packets(kind, number, slices, bitstream.header, picture_id)
        ]

    def _segments(self, stream: Stream) -> dict[UnitNumber, list[bytes]]:
        """Cut each unit into full segments and a remainder. Lost units have none."""
        units = stream.units
        numbered = [(UnitNumber(index, len(units)), unit) for index, unit in enumerate(units)]
        segments = {number: self._cut(number, unit) for number, unit in numbered if unit or number == ONLY_UNIT}
        count = sum(map(len, segments.values()))
        if count > MAX_SEGMENTS:
            raise ConfigError(
                f"stream {stream.kind.name} needs {count} packets of {self.packet_bytes} bytes, more than "
                f"{MAX_SEGMENTS}; raise the packet size"
            )
        return segments

    def _cut(self, number: UnitNumber, unit: bytes) -> list[bytes]:
        """Return the segments of one unit. The first one leaves room for the picture header and the unit's number."""
        room = self.packet_bytes - PACKET_OVERHEAD_BYTES
        first = room - PICTURE_HEADER_BYTES - len(number.pack())
        return [unit[:first], *(unit[start : start + room] for start in range(first, len(unit), room))]

    def _packets(
        self, kind: StreamKind, unit: UnitNumber, slices: list[bytes], header: PictureHeader, picture_id: int
    ) -> list[Packet]:
        packets = []
        for index, data in enumerate(slices):
            count = self.next_count[kind]
            self.next_count[kind] = (count + 1) % SEQUENCE_COUNTS
            first = index == 0
            flags = segment_flags(first=first, last=index == len(slices) - 1)
            start = (header, data, unit) if first else (None, data)
            packets.append(Packet(kind, picture_id, flags, count, *start))
        return packets


def unit_room(packet_bytes: int, units: int) -> int:
    """Return the bytes of the longest unit of a stream of ``units`` that fits into one packet of ``packet_bytes``."""
    number = UnitNumber(0, units)
    return packet_bytes - PACKET_OVERHEAD_BYTES - PICTURE_HEADER_BYTES - len(number.pack())


def segment_flags(*, first: bool, last: bool) -> SequenceFlags:
    """Return the sequence flags of a segment (CCSDS 133.0-B-2, 4.1.3.4.2)."""
    if first:
        return SequenceFlags.UNSEGMENTED if last else SequenceFlags.FIRST_SEGMENT
    return SequenceFlags.LAST_SEGMENT if last else SequenceFlags.CONTINUATION_SEGMENT
