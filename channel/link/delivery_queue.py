"""The packets in flight, handed out in the order in which their outcomes are settled."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field
from heapq import heappop, heappush
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

from shared.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from channel.link.outcome import PacketOutcome


class HasOutcome(Protocol):
    """A packet whose ``outcome`` is settled ``settled_s`` simulated seconds after the first departure."""

    @property
    def index(self) -> int:
        """Place in the order of sending."""

    @property
    def settled_s(self) -> float:
        """When the outcome is settled."""

    @property
    def outcome(self) -> PacketOutcome:
        """How the packet's transmission ends."""


P = TypeVar("P", bound=HasOutcome)


@dataclass(slots=True)
class DeliveryQueue(Generic[P]):
    """All packets of one transmission, sent in ascending order of index; each is handed out exactly once.

    ``sent`` counts the packets so far, ``outcomes`` those that were handed out. Memory grows with the packets in
    flight, not with those sent.
    """

    now_s: float = -math.inf
    outcomes: Counter[PacketOutcome] = field(default_factory=Counter)
    sent: int = 0
    _next_index: int = 0
    _in_flight: list[tuple[float, int, P]] = field(default_factory=list)  # a heap

    @property
    def in_flight(self) -> int:
        """Number of packets that have not been handed out by ``now_s``."""
        return len(self._in_flight)

    def send(self, packets: Iterable[P]) -> None:
        """Put packets in flight. A packet that is settled already is handed out by the next ``advance``.

        Raises:
            ConfigError: an index that is not above all those before; the packets before it are in flight.
        """
        for packet in packets:
            if packet.index < self._next_index:
                raise ConfigError(
                    f"packet {packet.index} was sent before, or after packet {self._next_index - 1}: send every packet "
                    "of a transmission once, in ascending order of index"
                )
            self._next_index = packet.index + 1
            self.sent += 1
            heappush(self._in_flight, (packet.settled_s, packet.index, packet))

    def advance(self, to_s: float) -> list[P]:
        """Return the packets that are settled by ``to_s``, in order of time, and count their outcomes.

        Raises:
            ConfigError: time would run backwards.
        """
        if not to_s >= self.now_s:
            raise ConfigError(f"simulated time cannot go from {self.now_s} s back to {to_s} s")
        self.now_s = to_s
        settled = []
        while self._in_flight and self._in_flight[0][0] <= to_s:
            settled.append(heappop(self._in_flight)[2])
        self.outcomes.update(packet.outcome for packet in settled)
        return settled
