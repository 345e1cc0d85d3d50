from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from channel.propagation.timing import PacketTiming, schedule_packets, wall_wait_s


def test_packets_leave_one_after_another_and_arrive_with_their_last_symbol():
    times = schedule_packets([1000, 500], symbol_rate_hz=1000.0, propagation_delay_s=2.0, uses_before=10_000)
    assert times == [PacketTiming(10.0, 1.0, 13.0), PacketTiming(11.0, 0.5, 13.5)]


def test_nothing_sent_takes_no_time():
    assert schedule_packets([], symbol_rate_hz=1.0, propagation_delay_s=1.0) == []


@settings(deadline=None, max_examples=100)
@given(st.lists(st.integers(1, 20_000), max_size=50), st.floats(1.0, 1e9), st.floats(0.0, 1e5))
def test_time_never_runs_backwards(channel_uses, symbol_rate_hz, propagation_delay_s):
    times = schedule_packets(channel_uses, symbol_rate_hz=symbol_rate_hz, propagation_delay_s=propagation_delay_s)
    assert len(times) == len(channel_uses)
    for before, after in pairwise(times):
        assert after.departure_s == pytest.approx(before.departure_s + before.air_time_s)
        assert after.arrival_s >= before.arrival_s
    for one in times:
        assert one.arrival_s == pytest.approx(one.departure_s + one.air_time_s + propagation_delay_s)


def test_departures_do_not_drift_over_many_packets():
    last = schedule_packets([3] * 100_000, symbol_rate_hz=1e7, propagation_delay_s=0.0)[-1]
    assert last.departure_s == 3 * 99_999 / 1e7


def test_wall_time_to_wait():
    assert wall_wait_s(10.0, 2.0, 1.0) == 8.0
    assert wall_wait_s(10.0, 2.0, 0.5) == 3.0
    assert wall_wait_s(10.0, 20.0, 1.0) == 0.0
    assert wall_wait_s(1e300, 0.0, 0.0) == 0.0
