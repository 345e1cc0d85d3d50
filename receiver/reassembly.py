"""Puts the streams of pictures together from packets that may be lost, repeated, reordered or damaged.

A stream is returned only when every packet from its first segment to its last one has arrived, so its bytes are exactly
those that were sent. Two limits follow from the packets alone: a stream without any received packet is unknown, and if
a picture number is used again within the window (all pictures in between lost), its packets count for the old picture
unless they contradict it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from shared.bitstream import Bitstream, PictureHeader
from shared.errors import BitstreamError, ConfigError, PacketError
from shared.packets import MAX_SEGMENTS, PICTURE_IDS, SEQUENCE_COUNTS, Packet
from shared.streams import Stream, StreamKind

# Memory of Python for one segment beside its payload, rounded up: max_bytes then also bounds many tiny packets.
_BOOKKEEPING_BYTES: Final = 256


@dataclass(frozen=True, slots=True)
class StreamEvent:
    """A stream that has just become complete."""

    picture_id: int
    header: PictureHeader
    stream: Stream


@dataclass(frozen=True, slots=True)
class StreamStatus:
    """Progress of one stream.

    ``total`` is its number of packets, known once its first and its last packet have arrived. ``missing`` counts the
    gaps between the received packets; it is exact when ``total`` is known. A stream is in ``conflict`` if two different
    segments arrived for one place; then it never becomes complete.
    """

    kind: StreamKind
    received: int
    missing: int
    total: int | None
    complete: bool
    conflict: bool


@dataclass(frozen=True, slots=True)
class PictureStatus:
    """Progress of one picture. ``header`` is None until the first packet of any stream has arrived."""

    picture_id: int
    header: PictureHeader | None
    streams: tuple[StreamStatus, ...]


@dataclass(slots=True)
class ReassemblyCounts:
    """Every pushed packet is counted once: accepted, duplicate, damaged or conflicting.

    ``evicted`` counts pictures that were dropped to stay within the window.
    """

    accepted: int = 0
    duplicate: int = 0
    damaged: int = 0
    conflicting: int = 0
    evicted: int = 0


@dataclass(slots=True)
class _Run:
    """The segments of one stream by place: the sequence count relative to that of the first arrival."""

    anchor: int
    segments: dict[int, Packet] = field(default_factory=dict)
    first: int | None = None
    last: int | None = None
    low: int = 0
    high: int = 0
    conflict: bool = False

    def place(self, packet: Packet) -> int:
        """Signed distance from the anchor, modulo the 14-bit count."""
        half = SEQUENCE_COUNTS // 2
        return (packet.sequence_count - self.anchor + half) % SEQUENCE_COUNTS - half

    def fits(self, packet: Packet) -> bool:
        """Whether the packet can belong to the same stream as the held ones."""
        place = self.place(packet)
        if place in self.segments:
            return True
        low, high = min(self.low, place), max(self.high, place)
        if high - low >= MAX_SEGMENTS:
            return False
        first = place if packet.is_first else self.first
        last = place if packet.is_last else self.last
        if (packet.is_first and self.first is not None) or (packet.is_last and self.last is not None):
            return False
        return (first is None or first == low) and (last is None or last == high)

    def add(self, packet: Packet) -> None:
        place = self.place(packet)
        self.segments[place] = packet
        self.low, self.high = min(self.low, place), max(self.high, place)
        if packet.is_first:
            self.first = place
        if packet.is_last:
            self.last = place

    @property
    def complete(self) -> bool:
        known = self.first is not None and self.last is not None
        return known and not self.conflict and len(self.segments) == self.high - self.low + 1

    def payload(self) -> bytes:
        return b"".join(self.segments[place].data for place in range(self.low, self.high + 1))

    def status(self, kind: StreamKind) -> StreamStatus:
        span = self.high - self.low + 1
        total = None if self.first is None or self.last is None else span
        received = len(self.segments)
        return StreamStatus(kind, received, span - received, total, self.complete, self.conflict)


@dataclass(slots=True)
class _Picture:
    header: PictureHeader | None = None
    runs: dict[StreamKind, _Run] = field(default_factory=dict)
    held_bytes: int = 0

    def contradicts(self, packet: Packet) -> bool:
        """Whether the packet must be from another picture with the same number."""
        if packet.header is not None and self.header is not None and packet.header != self.header:
            return True
        run = self.runs.get(packet.kind)
        return run is not None and not run.fits(packet)


class Reassembler:
    """Collects packets into streams, for the ``max_pictures`` pictures with the latest packets.

    Memory is bounded by ``max_bytes`` (payload and bookkeeping). The picture whose latest packet is the oldest is
    dropped first.

    Two packets of one picture may contradict each other. Different content at one place puts that stream in conflict
    for good, because nothing shows which is right. Another picture size, or a place outside the stream, means that the
    picture number is used again: the old picture is dropped for the new one.

    Raises:
        ConfigError: ``max_pictures`` is not 1 to 128, or ``max_bytes`` is not positive.
    """

    def __init__(self, max_pictures: int = 16, max_bytes: int = 16 << 20) -> None:
        if not 1 <= max_pictures <= PICTURE_IDS // 2:
            raise ConfigError(f"window of {max_pictures} pictures: give 1 to {PICTURE_IDS // 2}")
        if max_bytes < 1:
            raise ConfigError(f"reassembly memory of {max_bytes} bytes: give at least 1")
        self.counts = ReassemblyCounts()
        self._max_pictures = max_pictures
        self._max_bytes = max_bytes
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
        """Take one received packet; return the stream that it completed, or None.

        Any bytes may be pushed: bytes that are not a packet of this link are counted as damaged.
        """
        try:
            packet = Packet.unpack(data)
        except PacketError:
            self.counts.damaged += 1
            return None
        picture = self._picture_of(packet)
        run = picture.runs.setdefault(packet.kind, _Run(anchor=packet.sequence_count))
        held = run.segments.get(run.place(packet))
        if held == packet:
            self.counts.duplicate += 1
            return None
        if held is not None:
            self.counts.conflicting += 1
            run.conflict = True
            return None
        self.counts.accepted += 1
        picture.header = picture.header or packet.header
        picture.held_bytes += len(packet.data) + _BOOKKEEPING_BYTES
        run.add(packet)
        self._evict()
        if picture.header is None or not run.complete:
            return None
        return StreamEvent(packet.picture_id, picture.header, Stream(packet.kind, run.payload()))

    def status(self, picture_id: int) -> PictureStatus | None:
        """Return the progress of a picture, or None if it is not held."""
        picture = self._pictures.get(picture_id)
        if picture is None:
            return None
        streams = tuple(picture.runs[kind].status(kind) for kind in sorted(picture.runs))
        return PictureStatus(picture_id, picture.header, streams)

    def bitstream(self, picture_id: int) -> Bitstream | None:
        """Return the complete streams of a picture, or None while its size is not known.

        Without loss its ``pack()`` equals the sender's file byte for byte.
        """
        picture = self._pictures.get(picture_id)
        if picture is None or picture.header is None:
            return None
        complete = (Stream(kind, run.payload()) for kind, run in sorted(picture.runs.items()) if run.complete)
        try:
            return Bitstream(picture.header, tuple(complete))
        except BitstreamError:  # intact packets, but more payload than a sender of this link makes
            return None

    def _picture_of(self, packet: Packet) -> _Picture:
        """Return the packet's picture, moved to the end of the window; a new one if no held picture fits."""
        picture = self._pictures.pop(packet.picture_id, None)
        if picture is not None and picture.contradicts(packet):
            self.counts.evicted += 1
            picture = None
        picture = picture or _Picture()
        self._pictures[packet.picture_id] = picture
        return picture

    def _evict(self) -> None:
        while len(self._pictures) > self._max_pictures or self.held_bytes > self._max_bytes:
            self._pictures.pop(next(iter(self._pictures)))
            self.counts.evicted += 1
