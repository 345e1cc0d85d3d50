"""Packet-level impairments beside independent erasure: bursts, outages, jitter and the reordering that follows.

Equations and sources are in ``docs/losses.md``. Every draw is keyed by (run seed, picture index, packet index), so a
packet meets the same fate whatever is evaluated beside it or before it. Nothing here imports torch.
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

    from channel.propagation.timing import Passage

Probability = Annotated[float, Field(ge=0, le=1)]
MAX_TIME_S = 1e10  # three centuries


class GilbertElliott(Settings):
    """Losses in bursts: a two-state Markov chain that advances once per packet (Gilbert 1960, Elliott 1963).

    All four are probabilities: of changing state from one packet to the next, and of losing a packet in each state.
    The defaults are Gilbert's: nothing is lost in the good state, everything in the bad one. A picture starts in the
    stationary distribution.
    """

    p_good_to_bad: Probability
    p_bad_to_good: Probability
    loss_good: Probability = 0.0
    loss_bad: Probability = 1.0

    @model_validator(mode="after")
    def _moves(self) -> GilbertElliott:
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
    def mean_bad_packets(self) -> float:
        """Mean number of packets that a stay in the bad state lasts; infinite where it never ends."""
        return 1 / self.p_bad_to_good if self.p_bad_to_good else math.inf

    @property
    def mean_burst_packets(self) -> float:
        """Mean number of packets lost in a row: P(lost) / P(lost, and the next one not); 0 where nothing is lost."""
        if self.loss_rate == 0:
            return 0.0
        good_after_good, bad_after_good = 1 - self.p_good_to_bad, self.p_good_to_bad
        good_after_bad, bad_after_bad = self.p_bad_to_good, 1 - self.p_bad_to_good
        kept_good, kept_bad = 1 - self.loss_good, 1 - self.loss_bad
        burst_ends = (1 - self.bad_share) * self.loss_good * (good_after_good * kept_good + bad_after_good * kept_bad)
        burst_ends += self.bad_share * self.loss_bad * (good_after_bad * kept_good + bad_after_bad * kept_bad)
        return self.loss_rate / burst_ends if burst_ends else math.inf

    def lost(self, *, run_seed: int, picture_index: int, first_index: int, packets: int) -> list[bool]:
        """Say for each of ``packets`` packets from ``first_index`` on whether it is lost.

        The indices are unsigned 64-bit integers, counted within the picture. The state of packet *i* is a function of
        the draws of packets 0 to *i*, and is found from as few of them as determine it.
        """
        start, bad = self._known_state(run_seed, picture_index, first_index)
        lost = []
        for index in range(start, first_index + packets):
            state_draw, loss_draw = _burst_draws(run_seed, picture_index, index)
            # At the known state's own packet this draw has been used already.
            bad = bad if index == start else self._next_bad(state_draw, bad)
            if index >= first_index:
                lost.append(loss_draw < (self.loss_bad if bad else self.loss_good))
        return lost

    def _known_state(self, run_seed: int, picture_index: int, index: int) -> tuple[int, bool]:
        """Return the last packet up to ``index`` whose draw alone settles its state, and whether that is bad.

        From draw u the next state is bad below ``p_good_to_bad`` in the good and below 1 - ``p_bad_to_good`` in the bad
        state, so a draw outside these two bounds gives the same state from either. The expected number of draws is
        1 / (1 - |1 - p_good_to_bad - p_bad_to_good|); packet 0 always ends the search.
        """
        while index > 0:
            state_draw, _ = _burst_draws(run_seed, picture_index, index)
            if self._next_bad(state_draw, was_bad=False) == self._next_bad(state_draw, was_bad=True):
                return index, self._next_bad(state_draw, was_bad=True)
            index -= 1
        return 0, _burst_draws(run_seed, picture_index, 0)[0] < self.bad_share

    def _next_bad(self, state_draw: float, was_bad: bool) -> bool:
        return state_draw < (1 - self.p_bad_to_good if was_bad else self.p_good_to_bad)


def _burst_draws(run_seed: int, picture_index: int, index: int) -> tuple[float, float]:
    """Return a packet's two uniform draws: the one that moves the chain, the one that loses the packet."""
    generator = packet_generator(run_seed, picture_index, index, Purpose.BURST)
    return generator.random(), generator.random()


def gilbert(loss_rate: float, mean_burst_packets: float) -> GilbertElliott:
    """Return Gilbert's chain with this stationary loss rate and this mean number of packets lost in a row.

    Raises:
        ConfigError: the rate is not 0 to below 1, or no chain has bursts that short at that rate.
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


def _tuples(value: Any) -> Any:
    """Return lists, which is what YAML has, as the tuples that are meant."""
    return tuple(map(_tuples, value)) if isinstance(value, list | tuple) else value


class Outages(Settings):
    """Windows of simulated time in which nothing is received: station handover, occultation, a passing storm.

    ``windows_s`` lists (start, end) in seconds, ascending and apart; ``period_s`` and ``duration_s`` add one window per
    period, the first from ``offset_s`` on, before which there is none. The start belongs to a window, the end does not.
    """

    windows_s: Annotated[tuple[tuple[float, float], ...], BeforeValidator(_tuples)] = ()
    period_s: Annotated[float, Field(gt=0, le=MAX_TIME_S)] | None = None
    duration_s: Annotated[float, Field(ge=0, le=MAX_TIME_S)] = 0.0
    offset_s: Annotated[float, Field(ge=0, le=MAX_TIME_S)] = 0.0

    @model_validator(mode="after")
    def _in_order(self) -> Outages:
        for start_s, end_s in self.windows_s:
            if not 0 <= start_s < end_s <= MAX_TIME_S:
                raise ValueError(f"window {start_s} to {end_s} s: a window starts at 0 s or later and ends after that")
        for before, after in pairwise(self.windows_s):
            if after[0] < before[1]:
                raise ValueError(f"window from {after[0]} s begins before the one up to {before[1]} s ends")
        if self.period_s is None and (self.duration_s or self.offset_s):
            raise ValueError("duration_s and offset_s say nothing without period_s")
        if self.period_s is not None and self.duration_s >= self.period_s:
            raise ValueError(f"duration_s = {self.duration_s}: shorter than period_s = {self.period_s}, or never open")
        return self

    def block(self, start_s: float, end_s: float) -> bool:
        """Say whether a reception from ``start_s`` until ``end_s`` meets an outage, in simulated seconds."""
        return self._listed(start_s, end_s) or self._periodic(start_s, end_s)

    def _listed(self, start_s: float, end_s: float) -> bool:
        following = bisect_right(self.windows_s, start_s, key=lambda window: window[1])
        return following < len(self.windows_s) and self.windows_s[following][0] < end_s

    def _periodic(self, start_s: float, end_s: float) -> bool:
        if self.period_s is None or self.duration_s == 0 or end_s <= self.offset_s:
            return False
        if start_s <= self.offset_s:
            return True
        phase_s = math.fmod(start_s - self.offset_s, self.period_s)
        return phase_s < self.duration_s or phase_s + (end_s - start_s) > self.period_s


class Jitter(Settings):
    """Extra delay, exponential with mean ``mean_s`` seconds, drawn for each packet by itself."""

    mean_s: Annotated[float, Field(ge=0, le=MAX_TIME_S)]

    def delay_s(self, *, run_seed: int, picture_index: int, packet_index: int) -> float:
        """Return this packet's extra delay in seconds, which is never negative and proportional to the mean."""
        draw = packet_generator(run_seed, picture_index, packet_index, Purpose.JITTER).standard_exponential()
        return self.mean_s * draw


class Impairments(Settings):
    """What befalls packets beside noise and independent erasure; None is none of it."""

    bursts: GilbertElliott | None = None
    outages: Outages | None = None
    jitter: Jitter | None = None


@dataclass(frozen=True, slots=True)
class Impaired:
    """One packet after the impairments: whether it is ``lost``, and its arrival in simulated seconds with jitter."""

    lost: bool
    arrival_s: float


def impaired(
    impairments: Impairments, times: Sequence[Passage], *, run_seed: int, picture_index: int, first_index: int
) -> list[Impaired]:
    """Return what befalls the packets that pass at ``times``, the first of which has index ``first_index``.

    A packet is being received from its arrival less its air time until its arrival, jitter included.
    """
    key = {"run_seed": run_seed, "picture_index": picture_index}
    lost = [False] * len(times)
    if impairments.bursts is not None:
        lost = impairments.bursts.lost(**key, first_index=first_index, packets=len(times))
    outcomes = []
    for position, passage in enumerate(times):
        arrival_s = passage.arrival_s
        if impairments.jitter is not None:
            arrival_s += impairments.jitter.delay_s(**key, packet_index=first_index + position)
        outage = impairments.outages is not None and impairments.outages.block(
            arrival_s - passage.air_time_s, arrival_s
        )
        outcomes.append(Impaired(lost[position] or outage, arrival_s))
    return outcomes


def arrival_order(arrivals_s: Sequence[float]) -> list[int]:
    """Return the positions of packets in the order in which they arrive, in that of sending where together."""
    return sorted(range(len(arrivals_s)), key=arrivals_s.__getitem__)


def reordered_packets(arrivals_s: Sequence[float]) -> int:
    """Return how many of the packets, given in the order of sending, arrive after one that was sent later.

    This is RFC 4737's Type-P-Reordered (section 3.3) over the packets that arrive.
    """
    latest = -1
    reordered = 0
    for position in arrival_order(arrivals_s):
        reordered += position < latest
        latest = max(latest, position)
    return reordered
