"""What has become of each packet by a moment of simulated time: an event model with a deadline per packet.

The physical layer says how a packet would arrive, and when; the deadline says until when that is worth anything.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field
from enum import IntEnum
from heapq import heappop, heappush
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

from shared.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterable


class Fate(IntEnum):
    """How a packet's flight ended, once for each; packets without a fate are in flight.

    The first three are the physical layer's. Burst losses, outages and independent erasures are all ``ERASED``: nothing
    reached the demapper. The numbers are those of the wire contract.
    """

    DELIVERED = 1
    FEC_FAILED = 2
    ERASED = 3
    EXPIRED = 4


class Ending(Protocol):
    """A packet whose end is known: its ``fate`` is settled ``end_s`` simulated seconds after the first departure."""

    @property
    def index(self) -> int:
        """Place in the order of sending."""

    @property
    def end_s(self) -> float:
        """When the flight ends."""

    @property
    def fate(self) -> Fate:
        """How it ends."""


E = TypeVar("E", bound=Ending)


@dataclass(frozen=True, slots=True)
class Flight:
    """One packet under way: ``outcome`` is what ``arrival_s`` would bring; times are simulated seconds.

    Raises:
        ConfigError: a time that is no number, an arrival that is not finite, or ``EXPIRED``, which only the deadline
            decides.
    """

    index: int
    arrival_s: float
    outcome: Fate
    deadline_s: float = math.inf

    def __post_init__(self) -> None:
        if not math.isfinite(self.arrival_s) or math.isnan(self.deadline_s):
            raise ConfigError(f"arrival at {self.arrival_s} s, deadline {self.deadline_s} s: give numbers of seconds")
        if self.outcome is Fate.EXPIRED:
            raise ConfigError("a packet expires by its deadline: give the outcome that its arrival would have")

    @property
    def end_s(self) -> float:
        """When the flight ends: with the arrival or at the deadline, whichever is first."""
        return min(self.arrival_s, self.deadline_s)

    @property
    def fate(self) -> Fate:
        """How the flight ends: an arrival at the very deadline is in time."""
        return self.outcome if self.arrival_s <= self.deadline_s else Fate.EXPIRED


@dataclass(slots=True)
class Flights(Generic[E]):
    """All packets of one transmission, sent by ascending index. Every one is in flight or has ended once.

    Memory grows with the packets in flight, not with those sent.
    """

    now_s: float = -math.inf
    ended: Counter[Fate] = field(default_factory=Counter)
    sent: int = 0  # packets so far
    _next_index: int = 0
    _under_way: list[tuple[float, int, E]] = field(default_factory=list)  # a heap

    @property
    def in_flight(self) -> int:
        """Number of packets that have not ended by ``now_s``."""
        return len(self._under_way)

    def send(self, flights: Iterable[E]) -> None:
        """Put packets under way. One whose end has passed already ends with the next ``advance``.

        Raises:
            ConfigError: an index that is not above all those before; the packets before it are under way.
        """
        for flight in flights:
            if flight.index < self._next_index:
                raise ConfigError(
                    f"packet {flight.index} was sent before, or after packet {self._next_index - 1}: every packet of a "
                    "transmission is one flight, by ascending index"
                )
            self._next_index = flight.index + 1
            self.sent += 1
            heappush(self._under_way, (flight.end_s, flight.index, flight))

    def advance(self, to_s: float) -> list[E]:
        """Return the flights that ended until ``to_s``, in order of their ends, and count them.

        Raises:
            ConfigError: time would run backwards.
        """
        if not to_s >= self.now_s:
            raise ConfigError(f"simulated time cannot go from {self.now_s} s back to {to_s} s")
        self.now_s = to_s
        ended = []
        while self._under_way and self._under_way[0][0] <= to_s:
            ended.append(heappop(self._under_way)[2])
        self.ended.update(flight.fate for flight in ended)
        return ended
