"""Every packet is in flight or has exactly one outcome: delivered, FEC-failed, erased or expired."""

from __future__ import annotations

import math
from collections import Counter

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from channel.link.deadline import Delivery
from channel.link.delivery_queue import DeliveryQueue
from channel.link.outcome import PacketOutcome
from channel.propagation.impairments import GilbertElliott, Impairments, Jitter, Outages, apply_impairments
from channel.propagation.timing import schedule_packets
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
    """One transmission in batches of any size, under any mix of impairments, advanced to any times."""

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
        self.expected: list[Delivery] = []
        self.queue = DeliveryQueue()
        self.settled: list[tuple[float, Delivery]] = []

    def make_deliveries(self, first: int, last: int) -> list[Delivery]:
        """Return the deliveries of packets ``first`` to ``last``, computed as one batch."""
        times = schedule_packets(self.uses[:last], symbol_rate_hz=SYMBOL_RATE_HZ, propagation_delay_s=self.delay_s)[
            first:
        ]
        packets = apply_impairments(self.impairments, times, run_seed=self.run_seed, picture_index=1, first_index=first)
        return [
            Delivery(index, packet.arrival_s, self.on_arrival(index, packet.lost), timing.departure_s + self.lifetime_s)
            for index, (packet, timing) in enumerate(zip(packets, times, strict=True), start=first)
        ]

    def on_arrival(self, index: int, lost: bool) -> PacketOutcome:
        if lost or is_erased(self.run_seed, 1, index, self.erasure_rate):
            return PacketOutcome.ERASED
        return PacketOutcome.FEC_FAILED if index in self.fec_failures else PacketOutcome.DELIVERED

    @rule(uses=st.lists(st.integers(1, 3000), max_size=8))
    def send(self, uses):
        first = len(self.uses)
        self.uses += uses
        batch = self.make_deliveries(first, len(self.uses))
        self.queue.send(batch)
        self.expected += batch

    @rule(step_s=seconds | st.just(0.0))
    def advance(self, step_s):
        before_s = max(self.queue.now_s, 0.0)
        settled = self.queue.advance(before_s + step_s)
        assert [packet.settled_s for packet in settled] == sorted(packet.settled_s for packet in settled)
        self.settled += [(self.queue.now_s, packet) for packet in settled]

    @rule()
    def sending_twice_is_refused(self):
        if self.expected:
            with pytest.raises(ConfigError, match="packet 0 was sent before"):
                self.queue.send(self.expected[:1])

    @invariant()
    def every_packet_is_counted_once(self):
        settled = [packet.index for _, packet in self.settled]
        assert len(settled) == len(set(settled)) == sum(self.queue.outcomes.values())
        assert self.queue.sent == len(self.expected) == len(settled) + self.queue.in_flight

    @invariant()
    def outcomes_follow_from_the_impairments_alone(self):
        """Each packet is compared with its own expected delivery, whatever the batches and times were."""
        assert Counter(packet.outcome for _, packet in self.settled) == self.queue.outcomes
        for now_s, packet in self.settled:
            assert packet == self.expected[packet.index]
            assert packet.settled_s <= now_s
            in_time = packet.arrival_s <= packet.deadline_s
            assert (packet.outcome is PacketOutcome.EXPIRED) == (not in_time)
            assert packet.outcome is not PacketOutcome.DELIVERED or packet.index not in self.fec_failures

    def teardown(self):
        """At the end no packet is in flight, and the same seed makes the same deliveries in one batch."""
        assert self.make_deliveries(0, len(self.uses)) == self.expected
        self.settled += [(math.inf, packet) for packet in self.queue.advance(math.inf)]
        assert self.queue.in_flight == 0
        assert sorted(packet.index for _, packet in self.settled) == list(range(len(self.uses)))
        if self.lifetime_s == math.inf:
            assert PacketOutcome.EXPIRED not in self.queue.outcomes


TestConservation = Conservation.TestCase
TestConservation.settings = settings(deadline=None, max_examples=100, stateful_step_count=20)


@pytest.mark.parametrize(
    ("arrival_s", "on_arrival", "deadline_s", "outcome", "settled_s"),
    [
        (5.0, PacketOutcome.DELIVERED, math.inf, PacketOutcome.DELIVERED, 5.0),
        (5.0, PacketOutcome.DELIVERED, 5.0, PacketOutcome.DELIVERED, 5.0),
        (5.0, PacketOutcome.DELIVERED, 4.9, PacketOutcome.EXPIRED, 4.9),
        (5.0, PacketOutcome.ERASED, 4.9, PacketOutcome.EXPIRED, 4.9),
        (5.0, PacketOutcome.FEC_FAILED, 6.0, PacketOutcome.FEC_FAILED, 5.0),
    ],
)
def test_a_packet_is_settled_at_its_arrival_or_at_its_deadline(arrival_s, on_arrival, deadline_s, outcome, settled_s):
    packet = Delivery(3, arrival_s, on_arrival, deadline_s)
    queue = DeliveryQueue()
    queue.send([packet])
    assert queue.advance(math.nextafter(settled_s, 0)) == []
    assert queue.advance(settled_s) == [packet]
    assert queue.outcomes == {outcome: 1}
    assert queue.advance(math.inf) == []


def test_a_packet_out_of_order_is_refused_and_those_before_it_are_in_flight():
    queue = DeliveryQueue()
    with pytest.raises(ConfigError, match="packet 4 was sent before, or after packet 7"):
        queue.send([Delivery(index, 1.0, PacketOutcome.DELIVERED) for index in (2, 7, 4)])
    assert (queue.sent, queue.in_flight) == (2, 2)
    assert [packet.index for packet in queue.advance(1.0)] == [2, 7]


def test_time_does_not_run_backwards():
    queue = DeliveryQueue()
    queue.advance(3.0)
    with pytest.raises(ConfigError, match=r"cannot go from 3.0 s back to 2.0 s"):
        queue.advance(2.0)
    with pytest.raises(ConfigError, match="nan"):
        queue.advance(math.nan)


@pytest.mark.parametrize(
    ("arrival_s", "on_arrival", "deadline_s", "message"),
    [
        (math.inf, PacketOutcome.ERASED, 0.0, "arrival at inf s"),
        (math.nan, PacketOutcome.ERASED, 0.0, "arrival at nan s"),
        (0.0, PacketOutcome.ERASED, math.nan, "deadline nan s"),
        (0.0, PacketOutcome.EXPIRED, 0.0, "expires by its deadline"),
    ],
)
def test_an_impossible_delivery_is_refused(arrival_s, on_arrival, deadline_s, message):
    with pytest.raises(ConfigError, match=message):
        Delivery(0, arrival_s, on_arrival, deadline_s)
