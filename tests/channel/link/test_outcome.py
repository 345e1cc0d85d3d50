"""Conservation: every packet ends delivered, FEC-failed, erased or expired, or is in flight, exactly once."""

from __future__ import annotations

import math
from collections import Counter

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from channel.link.outcome import Fate, Flight, Flights
from channel.propagation.impairments import GilbertElliott, Impairments, Jitter, Outages, impaired
from channel.propagation.timing import passages
from channel.rng import is_erased
from shared.errors import ConfigError

SYMBOL_RATE_HZ = 1000.0
seconds = st.floats(0, 20)
probabilities = st.floats(0, 1)
mixes = st.builds(
    Impairments,
    bursts=st.none()
    | st.builds(
        GilbertElliott,
        p_good_to_bad=st.floats(0.05, 1),
        p_bad_to_good=probabilities,
        loss_good=probabilities,
        loss_bad=probabilities,
    ),
    outages=st.none() | st.builds(Outages, period_s=st.floats(2, 10), duration_s=st.floats(0, 1.9), offset_s=seconds),
    jitter=st.none() | st.builds(Jitter, mean_s=seconds),
)


class Conservation(RuleBasedStateMachine):
    """A transmission in batches of any size, under any mix of faults, looked at at any times."""

    @initialize(
        impairments=mixes,
        run_seed=st.integers(0, 2**64 - 1),
        erasure_rate=probabilities,
        fec_failures=st.frozensets(st.integers(0, 60)),
        delay_s=seconds,
        lifetime_s=st.floats(0, 60) | st.just(math.inf),
    )
    def begin(self, impairments, run_seed, erasure_rate, fec_failures, delay_s, lifetime_s):
        self.impairments, self.run_seed, self.erasure_rate = impairments, run_seed, erasure_rate
        self.fec_failures, self.delay_s, self.lifetime_s = fec_failures, delay_s, lifetime_s
        self.uses: list[int] = []
        self.expected: list[Flight] = []
        self.flights = Flights()
        self.fates: list[tuple[float, Flight]] = []

    def flights_of(self, first: int, last: int) -> list[Flight]:
        """What the packet-level channel makes of packets ``first`` up to ``last``, evaluated as one batch."""
        times = passages(self.uses[:last], symbol_rate_hz=SYMBOL_RATE_HZ, propagation_delay_s=self.delay_s)[first:]
        fates = impaired(self.impairments, times, run_seed=self.run_seed, picture_index=1, first_index=first)
        return [
            Flight(index, fate.arrival_s, self.outcome(index, fate.lost), passage.departure_s + self.lifetime_s)
            for index, (fate, passage) in enumerate(zip(fates, times, strict=True), start=first)
        ]

    def outcome(self, index: int, lost: bool) -> Fate:
        if lost or is_erased(self.run_seed, 1, index, self.erasure_rate):
            return Fate.ERASED
        return Fate.FEC_FAILED if index in self.fec_failures else Fate.DELIVERED

    @rule(uses=st.lists(st.integers(1, 3000), max_size=8))
    def send(self, uses):
        first = len(self.uses)
        self.uses += uses
        batch = self.flights_of(first, len(self.uses))
        self.flights.send(batch)
        self.expected += batch

    @rule(step_s=seconds | st.just(0.0))
    def advance(self, step_s):
        before_s = max(self.flights.now_s, 0.0)
        ended = self.flights.advance(before_s + step_s)
        assert [flight.end_s for flight in ended] == sorted(flight.end_s for flight in ended)
        self.fates += [(self.flights.now_s, flight) for flight in ended]

    @rule()
    def send_again_is_refused(self):
        if self.expected:
            with pytest.raises(ConfigError, match="packet 0 was sent before"):
                self.flights.send(self.expected[:1])

    @invariant()
    def every_packet_is_in_exactly_one_place(self):
        ended = [flight.index for _, flight in self.fates]
        assert len(ended) == len(set(ended)) == sum(self.flights.ended.values())
        assert self.flights.sent == len(self.expected) == len(ended) + self.flights.in_flight

    @invariant()
    def the_counts_are_those_of_the_faults(self):
        """Against each packet by itself: whatever the batches and looks were, the faults alone decide."""
        assert Counter(flight.fate for _, flight in self.fates) == self.flights.ended
        for seen_s, flight in self.fates:
            assert flight == self.expected[flight.index]
            assert flight.end_s <= seen_s
            in_time = flight.arrival_s <= flight.deadline_s
            assert (flight.fate is Fate.EXPIRED) == (not in_time)
            assert flight.fate is not Fate.DELIVERED or flight.index not in self.fec_failures

    def teardown(self):
        """In the end nothing is in flight, and the same seed makes the same flights in one batch."""
        assert self.flights_of(0, len(self.uses)) == self.expected
        self.fates += [(math.inf, flight) for flight in self.flights.advance(math.inf)]
        assert self.flights.in_flight == 0
        assert sorted(flight.index for _, flight in self.fates) == list(range(len(self.uses)))
        if self.lifetime_s == math.inf:
            assert Fate.EXPIRED not in self.flights.ended


TestConservation = Conservation.TestCase
TestConservation.settings = settings(deadline=None, max_examples=100, stateful_step_count=20)


@pytest.mark.parametrize(
    ("arrival_s", "outcome", "deadline_s", "ending", "end_s"),
    [
        (5.0, Fate.DELIVERED, math.inf, Fate.DELIVERED, 5.0),
        (5.0, Fate.DELIVERED, 5.0, Fate.DELIVERED, 5.0),
        (5.0, Fate.DELIVERED, 4.9, Fate.EXPIRED, 4.9),
        (5.0, Fate.ERASED, 4.9, Fate.EXPIRED, 4.9),
        (5.0, Fate.FEC_FAILED, 6.0, Fate.FEC_FAILED, 5.0),
    ],
)
def test_a_packet_ends_with_its_arrival_or_at_its_deadline(arrival_s, outcome, deadline_s, ending, end_s):
    flight = Flight(3, arrival_s, outcome, deadline_s)
    flights = Flights()
    flights.send([flight])
    assert flights.advance(math.nextafter(end_s, 0)) == []
    assert flights.advance(end_s) == [flight]
    assert flights.ended == {ending: 1}
    assert flights.advance(math.inf) == []


def test_a_packet_out_of_turn_is_refused_and_those_before_it_are_under_way():
    flights = Flights()
    with pytest.raises(ConfigError, match="packet 4 was sent before, or after packet 7"):
        flights.send([Flight(index, 1.0, Fate.DELIVERED) for index in (2, 7, 4)])
    assert (flights.sent, flights.in_flight) == (2, 2)
    assert [flight.index for flight in flights.advance(1.0)] == [2, 7]


def test_time_does_not_run_backwards():
    flights = Flights()
    flights.advance(3.0)
    with pytest.raises(ConfigError, match=r"cannot go from 3.0 s back to 2.0 s"):
        flights.advance(2.0)
    with pytest.raises(ConfigError, match="nan"):
        flights.advance(math.nan)


@pytest.mark.parametrize(
    ("arrival_s", "outcome", "deadline_s", "message"),
    [
        (math.inf, Fate.ERASED, 0.0, "arrival at inf s"),
        (math.nan, Fate.ERASED, 0.0, "arrival at nan s"),
        (0.0, Fate.ERASED, math.nan, "deadline nan s"),
        (0.0, Fate.EXPIRED, 0.0, "expires by its deadline"),
    ],
)
def test_a_flight_that_makes_no_sense_is_refused(arrival_s, outcome, deadline_s, message):
    with pytest.raises(ConfigError, match=message):
        Flight(0, arrival_s, outcome, deadline_s)
