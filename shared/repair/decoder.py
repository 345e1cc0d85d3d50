"""The receiver's side of repair: a filter in front of reassembly that adds recovered packets."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from itertools import islice
from typing import TYPE_CHECKING, Final

from shared.errors import ConfigError, PacketError
from shared.packets import APID_BASE, PICTURE_IDS, SEQUENCE_COUNTS, Packet, space_packet
from shared.repair.packet import CONTENT_BYTES, ObjectHeader, RepairPacket, is_repair
from shared.repair.symbols import decode_symbols, extract_content, object_digest, source_symbol

if TYPE_CHECKING:
    from collections.abc import Mapping

    from spacepackets.ccsds.spacepacket import SequenceFlags  # type: ignore[import-untyped]

    from shared.streams import StreamKind

_BOOKKEEPING_BYTES: Final = 512  # what Python spends on one packet beside its bytes, rounded up


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

    def recover(self, contents: Mapping[tuple[StreamKind, int], tuple[bytes, SequenceFlags]]) -> list[bytes]:
        """Return the missing source packets if there are enough symbols now, and set the state."""
        source_count = self.header.source_packets
        if self.state is not RepairState.WAITING or self.source_received + len(self.repairs) < source_count:
            return []
        if self.source_received == source_count:
            self.state = RepairState.WHOLE
            return []
        received = {
            position: source_symbol(content, flags, self.symbol_bytes)
            for packet, (content, flags) in contents.items()
            if (position := self.position(packet, content)) is not None
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
    contents: dict[tuple[StreamKind, int], tuple[bytes, SequenceFlags]] = field(default_factory=dict)
    objects: dict[tuple[ObjectHeader, int], _Object] = field(default_factory=dict)
    held_bytes: int = 0


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
            recover = self._push_repair(RepairPacket.unpack(data)) if is_repair(data) else self._push_source(data)
        except PacketError:
            return [data]
        self._evict()
        return recover

    def statuses(self, picture_id: int) -> tuple[RepairStatus, ...]:
        """Return the objects of a picture in the order of their first packets; () if the picture is not held."""
        picture = self._pictures.get(picture_id)
        return tuple(one.status() for one in picture.objects.values()) if picture else ()

    def _push_repair(self, packet: RepairPacket) -> list[bytes]:
        picture = self._picture(packet.header.picture_id)
        key = packet.header, len(packet.symbol)
        if key not in picture.objects:
            picture.objects[key] = _Object(*key)
            picture.held_bytes += _BOOKKEEPING_BYTES
            for place, (content, _) in picture.contents.items():
                picture.objects[key].source_received += picture.objects[key].position(place, content) is not None
        one = picture.objects[key]
        if packet.index in one.repairs or one.state is not RepairState.WAITING:
            return []
        one.repairs[packet.index] = packet.symbol
        picture.held_bytes += len(packet.symbol) + _BOOKKEEPING_BYTES
        return one.recover(picture.contents)

    def _push_source(self, data: bytes) -> list[bytes]:
        packet = Packet.unpack(data)
        picture = self._picture(packet.picture_id)
        place = packet.kind, packet.sequence_count
        if place in picture.contents:
            return [data]
        content = data[CONTENT_BYTES]
        picture.contents[place] = content, packet.sequence_flags
        picture.held_bytes += len(content) + _BOOKKEEPING_BYTES
        handed_on = [data]
        for one in picture.objects.values():
            one.source_received += one.position(place, content) is not None
            handed_on += one.recover(picture.contents)
        return handed_on

    def _picture(self, picture_id: int) -> _Picture:
        """Return the picture, moved to the end of the window."""
        self._pictures[picture_id] = picture = self._pictures.pop(picture_id, None) or _Picture()
        return picture

    def _evict(self) -> None:
        while len(self._pictures) > self._max_pictures or self.held_bytes > self._max_bytes:
            self._pictures.pop(next(iter(self._pictures)))
