"""Puts the streams of pictures together from packets that may be lost, repeated, reordered or damaged.

A stream is handed out only when every packet from its first segment to its last one has arrived, so its bytes are
those that were sent, or there is no stream. What the packets alone cannot tell: a stream of which no packet arrived
is unknown, and a picture whose number comes around again within the window (all others in between lost) is taken for
the old one unless its packets contradict it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from shared.bitstream import Bitstream, PictureHeader
from shared.errors import BitstreamError, ConfigError, PacketError
from shared.packets import MAX_SEGMENTS, PICTURE_IDS, SEQUENCE_COUNTS, Packet
from shared.streams import Stream, StreamKind

# What Python spends on one segment beside its payload, rounded up; keeps a flood of tiny packets within max_bytes.
_BOOKKEEPING_BYTES: Final = 256


@dataclass(frozen=True, slots=True)
class StreamEvent:
    """A stream that has just become whole."""

    picture_id: int
    header: PictureHeader
    stream: Stream


@dataclass(frozen=True, slots=True)
class StreamStatus:
    """How far one stream has come.

    ``total`` is its number of packets, known once its first and its last one have arrived. ``missing`` counts the
    packets known to be missing so far: the gaps between those received, exact when ``total`` is known. A stream in
    ``conflict`` got two different segments for one place; it never becomes whole.
    """

    kind: StreamKind
    received: int
    missing: int
    total: int | None
    whole: bool
    conflict: bool


@dataclass(frozen=True, slots=True)
class PictureStatus:
    """What has arrived of one picture; ``header`` is None until some stream's first packet has arrived."""

    picture_id: int
    header: PictureHeader | None
    streams: tuple[StreamStatus, ...]


@dataclass(slots=True)
class ReassemblyCounts:
    """Every packet pushed is counted once: accepted, duplicate, damaged or conflicting.

    ``evicted`` counts pictures dropped to stay within the window.
    """

    accepted: int = 0
    duplicate: int = 0
    damaged: int = 0
    conflicting: int = 0
    evicted: int = 0


@dataclass(slots=True)
class _Run:
    """The segments of one stream, by place: the sequence count relative to that of the first one to arrive."""

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
        """Whether the packet can belong to the same stream as those held."""
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
    def whole(self) -> bool:
        known = self.first is not None and self.last is not None
        return known and not self.conflict and len(self.segments) == self.high - self.low + 1

    def payload(self) -> bytes:
        return b"".join(self.segments[place].data for place in range(self.low, self.high + 1))

    def status(self, kind: StreamKind) -> StreamStatus:
        span = self.high - self.low + 1
        total = None if self.first is None or self.last is None else span
        received = len(self.segments)
        return StreamStatus(kind, received, span - received, total, self.whole, self.conflict)


@dataclass(slots=True)
class _Picture:
    header: PictureHeader | None = None
    runs: dict[StreamKind, _Run] = field(default_factory=dict)
    held_bytes: int = 0

    def contradicts(self, packet: Packet) -> bool:
        """Whether the packet must come from another picture of the same number."""
        if packet.header is not None and self.header is not None and packet.header != self.header:
            return True
        run = self.runs.get(packet.kind)
        return run is not None and not run.fits(packet)


class Reassembler:
    """Collects packets into streams, for the ``max_pictures`` pictures that were heard of last.

    Memory is bounded by ``max_bytes`` (payload and bookkeeping); the picture that has been silent longest goes first.

    Two packets of one picture that contradict each other:
    the same place with different content puts that stream in conflict, for good, since nothing tells which is right;
    another picture size, or a place outside the stream, means that the picture number has come around, and the old
    picture is dropped for the new one.

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
        self._pictures: dict[int, _Picture] = {}  # in the order they were last heard of

    @property
    def picture_ids(self) -> tuple[int, ...]:
        """Pictures held, the one silent longest first."""
        return tuple(self._pictures)

    @property
    def held_bytes(self) -> int:
        """Payload and bookkeeping bytes held, never more than ``max_bytes``."""
        return sum(picture.held_bytes for picture in self._pictures.values())

    def push(self, data: bytes) -> StreamEvent | None:
        """Take one received packet; return the stream that it completed, if it completed one.

        Any bytes may be pushed: what is no packet of this link is counted as damaged.
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
        if picture.header is None or not run.whole:
            return None
        return StreamEvent(packet.picture_id, picture.header, Stream(packet.kind, run.payload()))

    def status(self, picture_id: int) -> PictureStatus | None:
        """Return what has arrived of a picture, or None for one that is not held."""
        picture = self._pictures.get(picture_id)
        if picture is None:
            return None
        streams = tuple(picture.runs[kind].status(kind) for kind in sorted(picture.runs))
        return PictureStatus(picture_id, picture.header, streams)

    def bitstream(self, picture_id: int) -> Bitstream | None:
        """Return the whole streams of a picture, or None while not even its size is known.

        Without loss its ``pack()`` equals the sender's file byte for byte.
        """
        picture = self._pictures.get(picture_id)
        if picture is None or picture.header is None:
            return None
        whole = (Stream(kind, run.payload()) for kind, run in sorted(picture.runs.items()) if run.whole)
        try:
            return Bitstream(picture.header, tuple(whole))
        except BitstreamError:  # intact packets, but more payload than a sender of this link would make
            return None

    def _picture_of(self, packet: Packet) -> _Picture:
        """Return the packet's picture, moved to the end of the window; a new one where there is none to fit."""
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
