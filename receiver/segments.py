"""The segments of one stream as they arrive, and the units that they complete."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from shared.errors import BitstreamError
from shared.packets import MAX_SEGMENTS, SEQUENCE_COUNTS, Packet
from shared.streams import Stream

if TYPE_CHECKING:
    from shared.streams import StreamKind


@dataclass(slots=True)
class Segments:
    """The segments of one stream by place: the sequence count relative to that of the first arrival, ``anchor``.

    ``units`` is the number of units, None until a first segment has arrived.
    """

    anchor: int
    units: int | None = None
    _held: dict[int, Packet] = field(default_factory=dict)
    _starts: dict[int, int] = field(default_factory=dict)  # unit's index: place of its first segment
    _lasts: int = 0
    _low: int = 0
    _high: int = 0
    _conflicts: set[int] = field(default_factory=set)
    _complete: dict[int, range] = field(default_factory=dict)  # unit's index: places of its segments
    _unit_at: dict[int, int] = field(default_factory=dict)  # place of a segment of a complete unit: the unit's index
    # Segments that follow each other within a unit form a piece: the place of each end of a piece is mapped to that of
    # its other end. One look at both neighbours is thus enough for a new segment, however many have arrived.
    _other_end: dict[int, int] = field(default_factory=dict)

    @property
    def count(self) -> int:
        """Number of segments that arrived."""
        return len(self._held)

    @property
    def span(self) -> int:
        """Number of places from the first to the last segment that arrived."""
        return self._high - self._low + 1

    @property
    def conflict(self) -> bool:
        """Whether two different segments arrived for one place."""
        return bool(self._conflicts)

    @property
    def is_bounded(self) -> bool:
        """Whether the first and the last segment of a stream of one unit have arrived."""
        return self.units == 1 and self._lasts == 1

    @property
    def units_received(self) -> int:
        """Number of complete units."""
        return len(self._complete)

    @property
    def complete(self) -> bool:
        """Whether all units are complete."""
        return self.units is not None and len(self._complete) == self.units

    def held(self, packet: Packet) -> Packet | None:
        """Return the segment that arrived for this packet's place."""
        return self._held.get(self._place(packet))

    def fits(self, packet: Packet) -> bool:
        """Whether the packet can belong to the same stream as the held ones."""
        place = self._place(packet)
        if place in self._held:
            return True
        low, high = min(self._low, place), max(self._high, place)
        if high - low >= MAX_SEGMENTS:
            return False
        units = packet.unit.count if packet.is_first else self.units
        if self.units not in (None, units):
            return False
        if units != 1:
            return not packet.is_first or packet.unit.index not in self._starts
        # The only unit has one first and one last segment, at the ends.
        if (packet.is_first and self._starts) or self._lasts + packet.is_last > 1:
            return False
        first = place if packet.is_first else self._starts.get(0)
        last_is_high = self._held[self._high].is_last if self._lasts and self._high == high else place == high
        return first in (None, low) and (last_is_high or self._lasts + packet.is_last == 0)

    def add(self, packet: Packet) -> bool:
        """Take a segment that fits into an empty place; return whether it completes a unit."""
        place = self._place(packet)
        self._held[place] = packet
        self._low, self._high = min(self._low, place), max(self._high, place)
        self._lasts += packet.is_last
        if packet.is_first:
            self.units = packet.unit.count
            self._starts[packet.unit.index] = place
        return self._complete_unit(place)

    def mark_conflict(self, packet: Packet) -> None:
        """Note that a packet contradicts the held segment: nothing shows which is right, so their unit is lost."""
        place = self._place(packet)
        self._conflicts.add(place)
        for lost in self._complete.pop(self._unit_at.get(place, -1), ()):
            del self._unit_at[lost]

    def stream(self, kind: StreamKind) -> Stream | None:
        """Return the complete units, a missing one as b""; None if there is none."""
        if self.units is None or not self._complete:
            return None
        units = {index: b"".join(self._held[place].data for place in run) for index, run in self._complete.items()}
        try:
            return Stream.of_units(kind, [units.get(index, b"") for index in range(self.units)])
        except BitstreamError:  # nothing but empty units, which no sender of this link makes
            return None

    def _place(self, packet: Packet) -> int:
        """Return the signed distance from the anchor, modulo the 14-bit count."""
        half = SEQUENCE_COUNTS // 2
        return (packet.sequence_count - self.anchor + half) % SEQUENCE_COUNTS - half

    def _complete_unit(self, place: int) -> bool:
        """Join the segment at ``place`` to its neighbours, and note their unit if all of its segments have arrived."""
        first, last = self._join(place)
        if not (self._held[first].is_first and self._held[last].is_last):
            return False
        places = range(first, last + 1)
        if not self._conflicts.isdisjoint(places):
            return False
        index = self._held[first].unit.index
        self._complete[index] = places
        self._unit_at.update(dict.fromkeys(places, index))
        return True

    def _join(self, place: int) -> tuple[int, int]:
        """Join the segment at ``place`` with the pieces before and after it; return the ends of the new piece."""
        here, before, after = self._held[place], self._held.get(place - 1), self._held.get(place + 1)
        joins_before = before is not None and not (here.is_first or before.is_last)
        joins_after = after is not None and not (here.is_last or after.is_first)
        first = self._other_end[place - 1] if joins_before else place
        last = self._other_end[place + 1] if joins_after else place
        self._other_end[first], self._other_end[last] = last, first
        return first, last
