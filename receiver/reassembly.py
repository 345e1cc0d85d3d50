"""Puts the streams of pictures together from packets that may be lost, repeated, reordered or damaged.

A stream consists of units. A unit is returned once every packet from its first segment to its last one has arrived, so
its bytes are exactly those that were sent; the other units of the stream may be lost. Two limits follow from the
packets alone: a stream without any received packet is unknown, and if a picture number is used again within the window
(all pictures in between lost), its packets count for the old picture unless they contradict it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from receiver.segments import Segments
from shared.bitstream import Bitstream, PictureHeader
from shared.errors import BitstreamError, ConfigError, PacketError
from shared.packets import PICTURE_IDS, Packet

if TYPE_CHECKING:
    from shared.streams import StreamKind

# Memory of Python for one segment beside its payload, rounded up: max_bytes then also bounds many tiny packets.
_BOOKKEEPING_BYTES: Final = 256


@dataclass(frozen=True, slots=True)
class StreamEvent:
    """One more unit of a stream is complete. ``whole``: no unit is missing any more."""

    picture_id: int
    header: PictureHeader
    kind: StreamKind
    whole: bool


@dataclass(frozen=True, slots=True)
class StreamStatus:
    """Progress of one stream.

    ``total`` is its number of packets. It is known once the first and the last packet of a stream of one unit have
    arrived, or all packets of a stream of several units. ``missing`` counts the gaps between the received packets, but
    not less than the missing units; it is exact when ``total`` is known. ``units`` is the number of units, None if
    unknown, and ``units_received`` counts the complete ones. A stream is in ``conflict`` if two different segments
    arrived for one place; then their unit never becomes complete.
    """

    kind: StreamKind
    received: int
    missing: int
    total: int | None
    complete: bool
    conflict: bool
    units: int | None = None
    units_received: int = 0


@dataclass(frozen=True, slots=True)
class PictureStatus:
    """Progress of one picture. ``header`` is None until the first packet of any stream has arrived."""

    picture_id: int
    header: PictureHeader | None
    streams: tuple[StreamStatus, ...]


@dataclass(slots=True)
class ReassemblyCounts:
    """Every pushed packet is counted once: accepted, duplicate, damaged, conflicting or contradicting.

    ``evicted`` counts pictures that were dropped to stay within the window.
    """

    accepted: int = 0
    duplicate: int = 0
    damaged: int = 0
    conflicting: int = 0
    contradicting: int = 0
    evicted: int = 0


@dataclass(slots=True)
class _Picture:
    header: PictureHeader | None = None
    runs: dict[StreamKind, Segments] = field(default_factory=dict)
    held_bytes: int = 0

    def contradicts(self, packet: Packet) -> bool:
        """Whether the packet must be from another picture with the same number."""
        if packet.header is not None and self.header is not None and packet.header != self.header:
            return True
        run = self.runs.get(packet.kind)
        return run is not None and not run.fits(packet)


def _status(kind: StreamKind, run: Segments) -> StreamStatus:
    complete, units = run.complete, run.units
    return StreamStatus(
        kind,
        received=run.count,
        missing=max(run.span - run.count, (units or 0) - run.units_received if (units or 1) > 1 else 0),
        total=run.span if run.is_bounded or complete else None,
        complete=complete,
        conflict=run.conflict,
        units=units,
        units_received=run.units_received,
    )


class Reassembler:
    """Collects packets into streams, for the ``max_pictures`` pictures with the latest packets.

    Memory is bounded by ``max_bytes`` (payload and bookkeeping). The picture whose latest packet is the oldest is
    dropped first.

    Two packets of one picture may contradict each other. Different content at one place puts that stream in conflict,
    also for all later packets, because nothing shows which is right. Another picture size, or a place outside the
    stream, means that the picture number is used again: the old picture is dropped for the new one, or, without
    ``replace``, the packet is not taken.

    Raises:
        ConfigError: ``max_pictures`` is not 1 to 128, or ``max_bytes`` is not positive.
    """

    def __init__(self, max_pictures: int = 16, max_bytes: int = 16 << 20, *, replace: bool = True) -> None:
        if not 1 <= max_pictures <= PICTURE_IDS // 2:
            raise ConfigError(f"window of {max_pictures} pictures: give 1 to {PICTURE_IDS // 2}")
        if max_bytes < 1:
            raise ConfigError(f"reassembly memory of {max_bytes} bytes: give at least 1")
        self.counts = ReassemblyCounts()
        self._max_pictures = max_pictures
        self._max_bytes = max_bytes
        self._replace = replace
        self._pictures: dict[int, _Picture] = {}  # in the order of their latest packets

    @property
    def picture_ids(self) -> tuple[int, ...]:
        """Ids of the held pictures, the one with the oldest latest packet first."""
        return tuple(self._pictures)

    @property
    def held_bytes(self) -> int:
        """Held payload and bookkeeping bytes, at most ``max_bytes``."""
        return sum(picture.held_bytes for picture in self._pictures.values())

    def push(self, data: bytes) -> StreamEvent | None:
        """Take one received packet; return an event if it completed a unit, else None.

        Any bytes may be pushed: bytes that are not a packet of this link are counted as damaged.
        """
        try:
            packet = Packet.unpack(data)
        except PacketError:
            self.counts.damaged += 1
            return None
        return self.take(packet)

    def take(self, packet: Packet) -> StreamEvent | None:
        """Take one received packet that has been read already, as ``push`` does."""
        picture = self._picture_of(packet)
        if picture is None:
            self.counts.contradicting += 1
            return None
        run = picture.runs.setdefault(packet.kind, Segments(anchor=packet.sequence_count))
        held = run.held(packet)
        if held == packet:
            self.counts.duplicate += 1
            return None
        if held is not None:
            self.counts.conflicting += 1
            run.mark_conflict(packet)
            return None
        self.counts.accepted += 1
        picture.header = picture.header or packet.header
        picture.held_bytes += len(packet.data) + _BOOKKEEPING_BYTES
        completes = run.add(packet)
        self._evict()
        if picture.header is None or not completes:
            return None
        return StreamEvent(packet.picture_id, picture.header, packet.kind, whole=run.complete)

    def status(self, picture_id: int) -> PictureStatus | None:
        """Return the progress of a picture, or None if it is not held."""
        picture = self._pictures.get(picture_id)
        if picture is None:
            return None
        streams = tuple(_status(kind, run) for kind, run in sorted(picture.runs.items()))
        return PictureStatus(picture_id, picture.header, streams)

    def bitstream(self, picture_id: int) -> Bitstream | None:
        """Return the complete units of a picture's streams, or None while its size is not known.

        A lost unit of a stream of several is b"". Without loss its ``pack()`` equals the sender's file byte for byte.
        """
        picture = self._pictures.get(picture_id)
        if picture is None or picture.header is None:
            return None
        streams = (run.stream(kind) for kind, run in sorted(picture.runs.items()))
        try:
            return Bitstream(picture.header, tuple(stream for stream in streams if stream is not None))
        except BitstreamError:  # intact packets, but more payload than a sender of this link makes
            return None

    def _picture_of(self, packet: Packet) -> _Picture | None:
        """Return the packet's picture, moved to the end of the window.

        If no held picture fits, this is a new one, or None if it may not replace the old one.
        """
        picture = self._pictures.get(packet.picture_id)
        if picture is not None and picture.contradicts(packet):
            if not self._replace:
                return None
            self.counts.evicted += 1
            picture = None
        self._pictures.pop(packet.picture_id, None)
        picture = picture or _Picture()
        self._pictures[packet.picture_id] = picture
        return picture

    def _evict(self) -> None:
        while len(self._pictures) > self._max_pictures or self.held_bytes > self._max_bytes:
            self._pictures.pop(next(iter(self._pictures)))
            self.counts.evicted += 1
