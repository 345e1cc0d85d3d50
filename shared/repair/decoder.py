"""The receiver's side of repair: a filter in front of reassembly that adds recovered packets."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from itertools import islice
from typing import TYPE_CHECKING, Final

import numpy as np

from shared.errors import ConfigError, PacketError
from shared.packets import APID_BASE, PICTURE_IDS, SEQUENCE_COUNTS, Packet, space_packet
from shared.repair.packet import CONTENT_BYTES, ObjectHeader, RepairPacket, is_repair
from shared.repair.symbols import decode_symbols, extract_content, object_digest, source_symbol

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray
    from spacepackets.ccsds.spacepacket import SequenceFlags  # type: ignore[import-untyped]

    from shared.streams import StreamKind

_BOOKKEEPING_BYTES: Final = 512  # what Python spends on one packet beside its bytes, rounded up
MAX_OBJECTS: Final = 8
"""Most objects of a picture that are held. A sender makes at most one for each kind of stream."""
MAX_DECODINGS: Final = 32
"""Most attempts to decode objects of a picture. As many symbols as packets do in 99 of 100 cases, one more in nearly
all others; forged packets must not cost more."""


class RepairState(Enum):
    """State of an object."""

    WAITING = "waiting"  # there are not enough symbols yet
    WHOLE = "whole"  # all source packets arrived; none had to be recovered
    REPAIRED = "repaired"  # the missing source packets were recovered
    DAMAGED = "damaged"  # the hash does not match: a symbol is wrong, and it is unknown which one


@dataclass(frozen=True, slots=True)
class RepairStatus:
    """Status of one object. It needs at least ``missing_symbols`` more symbols; 0 unless it is WAITING.

    ``source_received`` and ``repair_received`` count the different symbols that arrived. Repair symbols count only
    while the object is WAITING.
    """

    picture_id: int
    kinds: tuple[StreamKind, ...]
    state: RepairState
    source_packets: int
    source_received: int
    repair_received: int
    missing_symbols: int


@dataclass(slots=True)
class _Object:
    """The repair symbols of one object by index; its source packets are held by the picture."""

    header: ObjectHeader
    symbol_bytes: int
    source_received: int = 0
    repairs: dict[int, bytes] = field(default_factory=dict)
    state: RepairState = RepairState.WAITING

    def position(self, packet: tuple[StreamKind, int], content: bytes) -> int | None:
        """Return the number of this packet's source symbol; None if the packet cannot belong to this object."""
        # A longer content belongs to another picture with the same id.
        return self.header.position(*packet) if len(content) < self.symbol_bytes else None

    @property
    def held_bytes(self) -> int:
        """Bytes of the repair symbols, bookkeeping included."""
        return _BOOKKEEPING_BYTES + len(self.repairs) * (self.symbol_bytes + _BOOKKEEPING_BYTES)

    @property
    def needs_decoding(self) -> bool:
        """Whether source packets are missing."""
        return self.source_received < self.header.source_packets

    @property
    def has_enough_symbols(self) -> bool:
        """Whether the object waits and has as many symbols as source packets."""
        enough = self.source_received + len(self.repairs) >= self.header.source_packets
        return enough and self.state is RepairState.WAITING

    def recover(self, contents: Mapping[tuple[StreamKind, int], tuple[bytes, SequenceFlags]]) -> list[bytes]:
        """Return the missing source packets of an object that has enough symbols, and set the state."""
        if not self.needs_decoding:
            self.state = RepairState.WHOLE
            return []
        source_count = self.header.source_packets
        received = {
            position: source_symbol(*contents[place], self.symbol_bytes)
            for position, place in enumerate(self.header.places())
            if place in contents and len(contents[place][0]) < self.symbol_bytes
        }
        present = set(received)
        received |= {source_count + index: symbol for index, symbol in self.repairs.items()}
        symbols = decode_symbols(received, source_count)
        if symbols is None:
            return []
        packets = self._packets(symbols)
        if packets is None:
            self.state = RepairState.DAMAGED
            return []
        self.state = RepairState.REPAIRED
        return [packet for position, packet in enumerate(packets) if position not in present]

    def _packets(self, symbols: list[bytes]) -> list[bytes] | None:
        """Return all packets of the object; None if the symbols are not the ones that were sent."""
        header = self.header
        if object_digest(header.picture_id, header.runs, symbols) != header.digest:
            return None
        contents = [content for symbol in symbols if (content := extract_content(symbol)) is not None]
        if len(contents) < len(symbols):
            return None
        rest = iter(contents)
        return [
            space_packet(
                APID_BASE + run.kind,
                flags,
                (run.first_count + place) % SEQUENCE_COUNTS,
                bytes([header.picture_id]) + content,
            )
            for run in header.runs
            for place, (content, flags) in enumerate(islice(rest, run.packets))
        ]

    def status(self) -> RepairStatus:
        header = self.header
        waits = self.state is RepairState.WAITING
        # As many symbols as source packets are nearly always enough. If they are not, one more is needed.
        missing = max(1, header.source_packets - self.source_received - len(self.repairs)) if waits else 0
        kinds = tuple(run.kind for run in header.runs)
        return RepairStatus(
            header.picture_id,
            kinds,
            self.state,
            header.source_packets,
            self.source_received,
            len(self.repairs),
            missing,
        )


@dataclass(slots=True)
class _Picture:
    """Source packets and objects of one picture.

    ``lengths`` has, for each stream and sequence count, one more than the bytes of the packet's content; 0 for a packet
    that has not arrived.
    """

    contents: dict[tuple[StreamKind, int], tuple[bytes, SequenceFlags]] = field(default_factory=dict)
    objects: dict[tuple[ObjectHeader, int], _Object] = field(default_factory=dict)
    lengths: dict[StreamKind, NDArray[np.uint16]] = field(default_factory=dict)
    decodings_left: int = MAX_DECODINGS
    held_bytes: int = 0

    def add(self, place: tuple[StreamKind, int], content: bytes, flags: SequenceFlags) -> None:
        """Hold the content of a source packet."""
        kind, count = place
        self.contents[place] = content, flags
        if kind not in self.lengths:
            self.lengths[kind] = np.zeros(SEQUENCE_COUNTS, np.uint16)
            self.held_bytes += self.lengths[kind].nbytes
        self.lengths[kind][count] = len(content) + 1
        self.held_bytes += len(content) + _BOOKKEEPING_BYTES

    def object_of(self, packet: RepairPacket) -> _Object:
        """Return the object of ``packet``. A new one replaces the one with the fewest repair symbols of too many."""
        key = packet.header, len(packet.symbol)
        if key not in self.objects:
            if len(self.objects) >= MAX_OBJECTS:
                least, dropped = min(self.objects.items(), key=lambda one: len(one[1].repairs))
                self.held_bytes -= dropped.held_bytes
                del self.objects[least]
            self.objects[key] = _Object(*key, source_received=self._count_received(*key))
            self.held_bytes += _BOOKKEEPING_BYTES
        return self.objects[key]

    def recover(self, one: _Object) -> list[bytes]:
        """Return the missing packets of an object if it has enough symbols now, and attempts are left."""
        if not one.has_enough_symbols or self.decodings_left < one.needs_decoding:
            return []
        self.decodings_left -= one.needs_decoding
        return one.recover(self.contents)

    def _count_received(self, header: ObjectHeader, symbol_bytes: int) -> int:
        """Return how many source packets of the object have arrived."""
        received = 0
        for run in header.runs:
            if run.kind in self.lengths:
                counts = np.arange(run.first_count, run.first_count + run.packets) % SEQUENCE_COUNTS
                lengths = self.lengths[run.kind][counts]
                received += int(np.count_nonzero((lengths > 0) & (lengths <= symbol_bytes)))
        return received


class RepairDecoder:
    """Recovers lost packets of the ``max_pictures`` pictures that received packets most recently.

    It holds at most ``max_bytes`` and drops the picture whose last packet is oldest. Duplicates and reordering change
    nothing. It returns recovered packets only if the hash of their object matches, so a wrong symbol gives a wrong
    packet with a probability of 2^-32 only.

    Raises:
        ConfigError: ``max_pictures`` is not 1 to 128, or ``max_bytes`` is not positive.
    """

    def __init__(self, max_pictures: int = 16, max_bytes: int = 16 << 20) -> None:
        if not 1 <= max_pictures <= PICTURE_IDS // 2:
            raise ConfigError(f"window of {max_pictures} pictures: give 1 to {PICTURE_IDS // 2}")
        if max_bytes < 1:
            raise ConfigError(f"repair memory of {max_bytes} bytes: give at least 1")
        self._max_pictures = max_pictures
        self._max_bytes = max_bytes
        self._pictures: dict[int, _Picture] = {}  # in the order of their last packets

    @property
    def held_bytes(self) -> int:
        """Bytes held, bookkeeping included, never more than ``max_bytes``."""
        return sum(picture.held_bytes for picture in self._pictures.values())

    def push(self, data: bytes) -> list[bytes]:
        """Take one received packet; return the packets for reassembly.

        These are the packet itself, unless it is a repair packet, and all packets that it makes recoverable. Bytes that
        are not a packet of this link are returned as well: the reassembler counts them as damaged.
        """
        try:
            if not is_repair(data):
                return self.take_source(data, Packet.unpack(data))
            recovered = self._push_repair(RepairPacket.unpack(data))
        except PacketError:
            return [data]
        self._evict()
        return recovered

    def take_source(self, data: bytes, packet: Packet) -> list[bytes]:
        """Take one source packet that has been read already, as ``push`` does."""
        handed_on = self._push_source(data, packet)
        self._evict()
        return handed_on

    def statuses(self, picture_id: int) -> tuple[RepairStatus, ...]:
        """Return the objects of a picture in the order of their first packets; () if the picture is not held."""
        picture = self._pictures.get(picture_id)
        return tuple(one.status() for one in picture.objects.values()) if picture else ()

    def _push_repair(self, packet: RepairPacket) -> list[bytes]:
        picture = self._picture(packet.header.picture_id)
        one = picture.object_of(packet)
        if packet.index in one.repairs or one.state is not RepairState.WAITING:
            return []
        one.repairs[packet.index] = packet.symbol
        picture.held_bytes += len(packet.symbol) + _BOOKKEEPING_BYTES
        return picture.recover(one)

    def _push_source(self, data: bytes, packet: Packet) -> list[bytes]:
        picture = self._picture(packet.picture_id)
        place = packet.kind, packet.sequence_count
        if place in picture.contents:
            return [data]
        content = data[CONTENT_BYTES]
        picture.add(place, content, packet.sequence_flags)
        handed_on = [data]
        for one in picture.objects.values():
            if one.position(place, content) is not None:
                one.source_received += 1
                handed_on += picture.recover(one)
        return handed_on

    def _picture(self, picture_id: int) -> _Picture:
        """Return the picture, moved to the end of the window."""
        self._pictures[picture_id] = picture = self._pictures.pop(picture_id, None) or _Picture()
        return picture

    def _evict(self) -> None:
        while len(self._pictures) > self._max_pictures or self.held_bytes > self._max_bytes:
            self._pictures.pop(next(iter(self._pictures)))
