"""Late packets: a packet that has not arrived at its deadline has expired, whatever would arrive later."""

from __future__ import annotations

import math
from dataclasses import dataclass

from channel.link.outcome import PacketOutcome
from shared.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Delivery:
    """One packet under way; times are simulated seconds.

    ``on_arrival`` is the outcome that the packet has if it arrives in time, at ``arrival_s``.

    Raises:
        ConfigError: a time is not a number, the arrival is not finite, or ``on_arrival`` is ``EXPIRED``, which only the
            deadline decides.
    """

    index: int
    arrival_s: float
    on_arrival: PacketOutcome
    deadline_s: float = math.inf

    def __post_init__(self) -> None:
        if not math.isfinite(self.arrival_s) or math.isnan(self.deadline_s):
            raise ConfigError(f"arrival at {self.arrival_s} s, deadline {self.deadline_s} s: give numbers of seconds")
        if self.on_arrival is PacketOutcome.EXPIRED:
            raise ConfigError("a packet expires by its deadline: give the outcome that its arrival would have")

    @property
    def settled_s(self) -> float:
        """When the outcome is settled: at the arrival or at the deadline, whichever is first."""
        return min(self.arrival_s, self.deadline_s)

    @property
    def outcome(self) -> PacketOutcome:
        """The packet's outcome; a packet that arrives exactly at the deadline is in time."""
        return self.on_arrival if self.arrival_s <= self.deadline_s else PacketOutcome.EXPIRED
