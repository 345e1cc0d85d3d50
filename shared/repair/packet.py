"""The wire form of a repair packet: one CCSDS Space Packet with one RaptorQ symbol; bit layout in ``docs/losses.md``.

Every repair packet describes its object in full, so that a receiver can use any subset of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from spacepackets.ccsds.spacepacket import SequenceFlags  # type: ignore[import-untyped]

from shared.errors import PacketError
from shared.packets import (
    APID_BASE,
    PACKET_CRC_BYTES,
    PACKET_OVERHEAD_BYTES,
    PRIMARY_HEADER_BYTES,
    SEQUENCE_COUNTS,
    parse_primary_header,
    space_packet,
)
from shared.sealed import TRANSFER_ID_BYTES, is_sealed
from shared.streams import StreamKind

if TYPE_CHECKING:
    from collections.abc import Iterator

REPAIR_APID: Final = APID_BASE + 0x21
"""0x60 was the first version of repair packets, for streams of one unit; its packets count as not of this link."""
MAX_SOURCE_PACKETS: Final = 1024  # 10 bits of a run; also bounds the time and memory of decoding
MAX_REPAIR_PACKETS: Final = 1024  # 10 bits of the symbol's index
DIGEST_BYTES: Final = 4
END_MARK_BYTES: Final = 1
CONTENT_BYTES: Final = slice(
    PRIMARY_HEADER_BYTES + 1, -PACKET_CRC_BYTES
)  # of a stream's packet: all but primary header, picture id and CRC

_INDEX_AND_KINDS: Final = slice(7, 9)
_RUNS_START: Final = 9
_RUN_BYTES: Final = 3
_COUNT_BITS: Final = 14
_KIND_BITS: Final = 6


@dataclass(frozen=True, slots=True)
class StreamRun:
    """All packets of one stream: their number ``packets``, and the sequence count ``first_count`` of the first one."""

    kind: StreamKind
    first_count: int
    packets: int

    def pack(self) -> bytes:
        """Return the 3 bytes of the run. They do not hold its kind, which is in the bit map of kinds."""
        return ((self.packets - 1) << _COUNT_BITS | self.first_count).to_bytes(_RUN_BYTES, "big")

    @classmethod
    def unpack(cls, kind: StreamKind, data: bytes) -> StreamRun:
        """Read the 3 bytes of a run. Every value is valid."""
        word = int.from_bytes(data, "big")
        return cls(kind, word % SEQUENCE_COUNTS, (word >> _COUNT_BITS) + 1)


@dataclass(frozen=True, slots=True)
class ObjectHeader:
    """Describes the object in a repair packet: picture id, repaired streams in ascending order, and hash.

    Two packets repair the same object exactly if their headers and the lengths of their symbols are equal.
    """

    picture_id: int
    runs: tuple[StreamRun, ...]
    digest: bytes

    @property
    def source_packets(self) -> int:
        """Number of source symbols K: packets of all runs together."""
        return sum(run.packets for run in self.runs)

    def places(self) -> Iterator[tuple[StreamKind, int]]:
        """Yield stream kind and sequence count of each source packet, in the order of the symbols."""
        for run in self.runs:
            for place in range(run.packets):
                yield run.kind, (run.first_count + place) % SEQUENCE_COUNTS

    def position(self, kind: StreamKind, sequence_count: int) -> int | None:
        """Return the number of a packet's source symbol; None if the object does not hold it."""
        before = 0
        for run in self.runs:
            place = (sequence_count - run.first_count) % SEQUENCE_COUNTS
            if run.kind == kind:
                return before + place if place < run.packets else None
            before += run.packets
        return None


@dataclass(frozen=True, slots=True)
class RepairPacket:
    """One repair symbol of one object.

    ``index`` counts the repair symbols of an object from 0 (its encoding symbol id is K + ``index``);
    ``sequence_count``, 0 to 16383, continues over all repair packets of a link, as CCSDS 133.0-B-2 requires.
    """

    header: ObjectHeader
    sequence_count: int
    index: int
    symbol: bytes

    def pack(self) -> bytes:
        """Return the Space Packet."""
        kinds = sum(1 << run.kind - 1 for run in self.header.runs)
        field_bytes = (
            bytes([self.header.picture_id])
            + (self.index << _KIND_BITS | kinds).to_bytes(2, "big")
            + b"".join(run.pack() for run in self.header.runs)
            + self.header.digest
            + self.symbol
        )
        return space_packet(REPAIR_APID, SequenceFlags.UNSEGMENTED, self.sequence_count, field_bytes)

    @classmethod
    def unpack(cls, data: bytes) -> RepairPacket:
        """Read exactly one repair packet; the exact inverse of ``pack``.

        Raises:
            PacketError: ``data`` is not byte for byte what ``pack`` writes for some repair symbol.
        """
        primary = parse_primary_header(data)
        if primary.apid != REPAIR_APID:
            raise PacketError(f"APID {primary.apid:#05x} is not {REPAIR_APID:#05x}, which carries repair packets")
        if primary.seq_flags != SequenceFlags.UNSEGMENTED:
            raise PacketError("a repair packet is never segmented: its sequence flags must be 11")
        word = int.from_bytes(data[_INDEX_AND_KINDS], "big")
        kinds = [kind for kind in StreamKind if word >> kind - 1 & 1]
        symbol_start = _RUNS_START + _RUN_BYTES * len(kinds) + DIGEST_BYTES
        if not kinds or symbol_start >= len(data) - PACKET_CRC_BYTES:
            raise PacketError(f"a repair packet of {len(data)} bytes for {len(kinds)} streams holds no repair symbol")
        starts = range(_RUNS_START, symbol_start - DIGEST_BYTES, _RUN_BYTES)
        runs = tuple(
            StreamRun.unpack(kind, data[start : start + _RUN_BYTES]) for kind, start in zip(kinds, starts, strict=True)
        )
        header = ObjectHeader(data[PRIMARY_HEADER_BYTES], runs, data[symbol_start - DIGEST_BYTES : symbol_start])
        if header.source_packets > MAX_SOURCE_PACKETS:
            raise PacketError(f"{header.source_packets} packets in one object; the limit is {MAX_SOURCE_PACKETS}")
        return cls(header, primary.seq_count, word >> _KIND_BITS, data[symbol_start:-PACKET_CRC_BYTES])


def is_repair(data: bytes) -> bool:
    """Whether these bytes have the APID of a repair packet; ``RepairPacket.unpack`` checks the rest."""
    return int.from_bytes(data[:2], "big") % (1 << 11) == REPAIR_APID


def kinds_of(data: bytes) -> tuple[StreamKind, ...]:
    """Return the streams that a packet carries or repairs, from its header alone; () for another APID."""
    apid = int.from_bytes(data[:2], "big") % (1 << 11)
    if apid == REPAIR_APID:
        start = TRANSFER_ID_BYTES if is_sealed(data) else 0
        word = int.from_bytes(data[start:][_INDEX_AND_KINDS], "big")
        return tuple(kind for kind in StreamKind if word >> kind - 1 & 1)
    return tuple(kind for kind in StreamKind if apid == APID_BASE + kind)


def repair_packet_bytes(longest: int, streams: int) -> int:
    """Return the bytes of a repair packet for an object of ``streams`` streams with packets up to ``longest`` bytes."""
    symbol_bytes = longest - PACKET_OVERHEAD_BYTES + END_MARK_BYTES
    return _RUNS_START + _RUN_BYTES * streams + DIGEST_BYTES + symbol_bytes + PACKET_CRC_BYTES
