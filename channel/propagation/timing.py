"""Simulated time: packets leave one after another and arrive after their air time and the propagation delay."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, slots=True)
class PacketTiming:
    """The times of one packet in simulated seconds."""

    departure_s: float
    air_time_s: float
    arrival_s: float


def schedule_packets(
    channel_uses: Sequence[int], *, symbol_rate_hz: float, propagation_delay_s: float, uses_before: int = 0
) -> list[PacketTiming]:
    """Return the times of packets sent without a gap, each taking ``channel_uses``, after ``uses_before`` others.

    A packet arrives with its last symbol: arrival = departure + air time + propagation delay. Departures come from
    the exact count of symbols before them, so that rounding does not add up over a long transmission.
    """
    symbols_before = accumulate(channel_uses, initial=uses_before)
    times = []
    for before, uses in zip(symbols_before, channel_uses, strict=False):
        departure_s = before / symbol_rate_hz
        air_time_s = uses / symbol_rate_hz
        times.append(PacketTiming(departure_s, air_time_s, departure_s + air_time_s + propagation_delay_s))
    return times


def wall_wait_s(simulated_s: float, elapsed_wall_s: float, time_scale: float) -> float:
    """Return the wall-clock seconds to wait until simulated time ``simulated_s``.

    ``elapsed_wall_s`` wall-clock seconds have passed so far. ``time_scale`` is wall-clock time over simulated time;
    0 does not wait.
    """
    return max(0.0, simulated_s * time_scale - elapsed_wall_s) if time_scale > 0 else 0.0
