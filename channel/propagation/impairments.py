"""Packet-level impairments on top of noise and independent erasures: burst losses, outages and jitter.

Equations and sources are in ``docs/losses.md``. Every draw depends on (run seed, picture index, packet index) alone, so
neither batches nor the order of evaluation change what happens to a packet. Nothing here imports torch.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BeforeValidator, Field, model_validator

from channel.checks import Settings
from channel.rng import Purpose, packet_generator
from shared.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from channel.propagation.timing import PacketTiming

Probability = Annotated[float, Field(ge=0, le=1)]
MAX_TIME_S = 1e10
"""Longest simulated time, about three centuries."""


class GilbertElliott(Settings):
    """Burst losses: a two-state Markov chain that advances once per packet (Gilbert 1960, Elliott 1963).

    All four parameters are probabilities: of changing state from one packet to the next, and of losing a packet in each
    state. The defaults are Gilbert's: no loss in the good state, certain loss in the bad state. Every picture starts in
    the stationary distribution.
    """

    p_good_to_bad: Probability
    p_bad_to_good: Probability
    loss_good: Probability = 0.0
    loss_bad: Probability = 1.0

    @model_validator(mode="after")
    def _check_that_it_moves(self) -> GilbertElliott:
        if self.p_good_to_bad + self.p_bad_to_good == 0:
            raise ValueError("p_good_to_bad and p_bad_to_good are both 0: a chain that never moves has no loss rate")
        return self

    @property
    def bad_share(self) -> float:
        """Stationary probability of the bad state."""
        return self.p_good_to_bad / (self.p_good_to_bad + self.p_bad_to_good)

    @property
    def loss_rate(self) -> float:
        """Stationary probability that a packet is lost."""
        return (1 - self.bad_share) * self.loss_good + self.bad_share * self.loss_bad

    @property
    def mean_burst_packets(self) -> float:
        """Mean number of packets lost in a row: P(lost) / P(lost, next packet kept); 0 if nothing is lost."""
        if self.loss_rate == 0:
            return 0.0
        good_after_good, bad_after_good = 1 - self.p_good_to_bad, self.p_good_to_bad
        good_after_bad, bad_after_bad = self.p_bad_to_good, 1 - self.p_bad_to_good
        kept_good, kept_bad = 1 - self.loss_good, 1 - self.loss_bad
        burst_ends = (1 - self.bad_share) * self.loss_good * (good_after_good * kept_good + bad_after_good * kept_bad)
        burst_ends += self.bad_share * self.loss_bad * (good_after_bad * kept_good + bad_after_bad * kept_bad)
        return self.loss_rate / burst_ends if burst_ends else math.inf

    def draw_losses(self, *, run_seed: int, picture_index: int, first_index: int, packets: int) -> list[bool]:
        """Return for each of ``packets`` packets from ``first_index`` on whether it is lost.

        The indices are unsigned 64-bit integers, counted within the picture. The state of packet *i* is a function of
        the draws of packets 0 to *i*; only the last draws that determine it are made.
        """
        start, bad = self._find_known_state(run_seed, picture_index, first_index)
        lost = []
        for index in range(start, first_index + packets):
            state_draw, loss_draw = _draw_burst(run_seed, picture_index, index)
            # The draw of the packet with the known state has been used already.
            bad = bad if index == start else self._next_bad(state_draw, bad)
            if index >= first_index:
                lost.append(loss_draw < (self.loss_bad if bad else self.loss_good))
        return lost

    def _find_known_state(self, run_seed: int, picture_index: int, index: int) -> tuple[int, bool]:
        """Return the last packet up to ``index`` whose draw alone determines its state, and whether that state is bad.

        With draw u the next state is bad if u is below ``p_good_to_bad`` (from the good state) or below
        1 - ``p_bad_to_good`` (from the bad state). A draw that is not between these two bounds gives the same state
        from both. The expected number of draws is 1 / (1 - |1 - p_good_to_bad - p_bad_to_good|); packet 0 ends the
        search.
        """
        while index > 0:
            state_draw, _ = _draw_burst(run_seed, picture_index, index)
            if self._next_bad(state_draw, was_bad=False) == self._next_bad(state_draw, was_bad=True):
                return index, self._next_bad(state_draw, was_bad=True)
            index -= 1
        return 0, _draw_burst(run_seed, picture_index, 0)[0] < self.bad_share

    def _next_bad(self, state_draw: float, was_bad: bool) -> bool:
        return state_draw < (1 - self.p_bad_to_good if was_bad else self.p_good_to_bad)


def _draw_burst(run_seed: int, picture_index: int, index: int) -> tuple[float, float]:
    """Return a packet's two uniform draws: the first moves the chain, the second decides about the loss."""
    generator = packet_generator(run_seed, picture_index, index, Purpose.BURST)
    return generator.random(), generator.random()


def make_gilbert_chain(loss_rate: float, mean_burst_packets: float) -> GilbertElliott:
    """Return Gilbert's chain with this stationary loss rate and this mean number of packets lost in a row.

    Raises:
        ConfigError: the rate is not 0 to below 1, or no chain has such short bursts at that rate.
    """
    if not 0 <= loss_rate < 1:
        raise ConfigError(f"loss rate {loss_rate}: give 0 to below 1")
    shortest = max(1.0, loss_rate / (1 - loss_rate))
    if not shortest <= mean_burst_packets < math.inf:
        raise ConfigError(
            f"mean burst of {mean_burst_packets} packets: at a loss rate of {loss_rate} give {shortest:.4g} or more"
        )
    p_bad_to_good = 1 / mean_burst_packets
    p_good_to_bad = min(1.0, loss_rate * p_bad_to_good / (1 - loss_rate))  # rounding may pass 1 at the shortest burst
    return GilbertElliott(p_good_to_bad=p_good_to_bad, p_bad_to_good=p_bad_to_good)


def _lists_to_tuples(value: Any) -> Any:
    """Return YAML's lists as tuples."""
    return tuple(map(_lists_to_tuples, value)) if isinstance(value, list | tuple) else value


class Outages(Settings):
    """Windows of simulated time in which nothing is received: station handover, occultation, a passing storm.

    ``windows_s`` lists (start, end) in seconds, in ascending order and without overlap. ``period_s`` and ``duration_s``
    add one window per period; the first starts at ``offset_s``. A window includes its start and excludes its end.
    """

    windows_s: Annotated[tuple[tuple[float, float], ...], BeforeValidator(_lists_to_tuples)] = ()
    period_s: Annotated[float, Field(gt=0, le=MAX_TIME_S)] | None = None
    duration_s: Annotated[float, Field(ge=0, le=MAX_TIME_S)] = 0.0
    offset_s: Annotated[float, Field(ge=0, le=MAX_TIME_S)] = 0.0

    @model_validator(mode="after")
    def _check_windows(self) -> Outages:
        for start_s, end_s in self.windows_s:
            if not 0 <= start_s < end_s <= MAX_TIME_S:
                raise ValueError(f"window {start_s} to {end_s} s: a window starts at 0 s or later and ends after that")
        for before, after in pairwise(self.windows_s):
            if after[0] < before[1]:
                raise ValueError(f"window from {after[0]} s begins before the one up to {before[1]} s ends")
        if self.period_s is None and (self.duration_s or self.offset_s):
            raise ValueError("duration_s and offset_s have no meaning without period_s: give period_s too")
        if self.period_s is not None and self.duration_s >= self.period_s:
            raise ValueError(f"duration_s = {self.duration_s}: must be shorter than period_s = {self.period_s}")
        return self

    def loss_rate(self, air_time_s: float) -> float:
        """Return the mean share of receptions of ``air_time_s`` that overlap a periodic outage."""
        if self.period_s is None or self.duration_s == 0:
            return 0.0
        return min(1.0, (self.duration_s + air_time_s) / self.period_s)

    def overlap(self, start_s: float, end_s: float) -> bool:
        """Return whether a reception from ``start_s`` to ``end_s`` overlaps an outage, in simulated seconds."""
        return self._overlap_listed(start_s, end_s) or self._overlap_periodic(start_s, end_s)

    def _overlap_listed(self, start_s: float, end_s: float) -> bool:
        following = bisect_right(self.windows_s, start_s, key=lambda window: window[1])
        return following < len(self.windows_s) and self.windows_s[following][0] < end_s

    def _overlap_periodic(self, start_s: float, end_s: float) -> bool:
        if self.period_s is None or self.duration_s == 0 or end_s <= self.offset_s:
            return False
        if start_s <= self.offset_s:
            return True
        phase_s = math.fmod(start_s - self.offset_s, self.period_s)
        return phase_s < self.duration_s or phase_s + (end_s - start_s) > self.period_s


class Jitter(Settings):
    """Extra delay of each packet, exponential with mean ``mean_s`` seconds and independent of other packets."""

    mean_s: Annotated[float, Field(ge=0, le=MAX_TIME_S)]

    def draw_delay_s(self, *, run_seed: int, picture_index: int, packet_index: int) -> float:
        """Return the extra delay of a packet in seconds: not negative, and proportional to the mean."""
        draw = packet_generator(run_seed, picture_index, packet_index, Purpose.JITTER).standard_exponential()
        return self.mean_s * draw


class Impairments(Settings):
    """Packet-level impairments on top of noise and erasures; a field that is None is off."""

    bursts: GilbertElliott | None = None
    outages: Outages | None = None
    jitter: Jitter | None = None


@dataclass(frozen=True, slots=True)
class ImpairedPacket:
    """One packet after the impairments: whether it is ``lost``, and its arrival with jitter in simulated seconds."""

    lost: bool
    arrival_s: float


def apply_impairments(
    impairments: Impairments, times: Sequence[PacketTiming], *, run_seed: int, picture_index: int, first_index: int
) -> list[ImpairedPacket]:
    """Apply the impairments to packets with the given ``times``, the first of which has index ``first_index``.

    The reception of a packet lasts from its arrival minus its air time to its arrival, jitter included.
    """
    key = {"run_seed": run_seed, "picture_index": picture_index}
    lost = [False] * len(times)
    if impairments.bursts is not None:
        lost = impairments.bursts.draw_losses(**key, first_index=first_index, packets=len(times))
    packets = []
    for position, timing in enumerate(times):
        arrival_s = timing.arrival_s
        if impairments.jitter is not None:
            arrival_s += impairments.jitter.draw_delay_s(**key, packet_index=first_index + position)
        outage = impairments.outages is not None and impairments.outages.overlap(
            arrival_s - timing.air_time_s, arrival_s
        )
        packets.append(ImpairedPacket(lost[position] or outage, arrival_s))
    return packets
