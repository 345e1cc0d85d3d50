from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from channel.deep_space.bodies import BODIES, STATIONS, Lander
from channel.deep_space.geometry import elevation_deg, find_line_of_sight
from channel.deep_space.windows import (
    Window,
    find_next_window,
    find_windows,
    lander_sees_earth,
    negate,
    path_clear_of_sun,
    station_sees_body,
)
from shared.errors import ConfigError, InputError, UnknownNameError

SECOND = timedelta(seconds=1)
DAY = timedelta(days=1)
starts = st.datetimes(
    datetime.fromisoformat("1960-01-01"), datetime.fromisoformat("2053-01-01"), timezones=st.just(UTC)
)


@settings(max_examples=12, deadline=None)
@given(st.sampled_from(sorted(BODIES)), st.sampled_from(sorted(STATIONS)), starts, st.floats(5, 30))
def test_a_pass_begins_and_ends_at_the_lowest_elevation(body, station, start, lowest):
    for one in find_windows(body, start, start + 2 * DAY, [station_sees_body([station], lowest)]):
        middle = one.start + (one.end - one.start) / 2
        assert elevation_deg(body, station, middle) >= lowest
        for edge, outwards in ((one.start, -SECOND), (one.end, SECOND)):
            if start < edge < start + 2 * DAY:
                assert elevation_deg(body, station, edge) == pytest.approx(lowest, abs=0.01)
                assert elevation_deg(body, station, edge + outwards) < lowest


def test_three_complexes_always_see_mars_near_the_equator():
    """That is what their longitudes are for; Mars stands 14° north."""
    start = datetime(2027, 2, 19, tzinfo=UTC)
    assert find_windows("mars", start, start + 3 * DAY, [station_sees_body(list(STATIONS))]) == [
        Window(start, start + 3 * DAY)
    ]
    alone = find_windows("mars", start, start + 3 * DAY, [station_sees_body(["madrid"])])
    assert len(alone) == 4
    assert sum(one.duration_s for one in alone) < 2 * 86400


def test_the_conjunction_of_2015_blocks_mars_on_jpls_dates():
    """JPL on the conjunction of 2015: within two degrees of the Sun from about June 7 to June 21."""
    first, last = datetime(2015, 6, 7, tzinfo=UTC), datetime(2015, 6, 21, tzinfo=UTC)
    (one,) = find_windows("mars", "2015-01-01", "2015-12-31", [negate(path_clear_of_sun(2.0))], step_s=21600)
    assert abs(one.start - first) < 1.5 * DAY
    assert abs(one.end - last) < 1.5 * DAY
    assert find_line_of_sight("mars", one.start).sun_angle_deg == pytest.approx(2, abs=1e-4)


def test_the_moon_is_never_behind_the_sun():
    assert find_windows("moon", "2026-08-01", "2026-09-01", [negate(path_clear_of_sun(10.0))]) == []


def test_a_lander_sees_the_earth_once_a_sol(lander_elevation_deg):
    lander = Lander(18.44, 77.45)
    start = datetime(2027, 2, 19, tzinfo=UTC)
    seen = find_windows("mars", start, start + 10 * DAY, [lander_sees_earth(lander, 10)])
    hidden = find_windows("mars", start, start + 10 * DAY, [negate(lander_sees_earth(lander, 10))])
    whole = [one for one in seen if start < one.start and one.end < start + 10 * DAY]
    rises = [(b.start - a.start).total_seconds() for a, b in pairwise(whole)]
    assert rises == pytest.approx([88_600] * len(rises), abs=300)
    assert lander_elevation_deg(lander, whole[0].start) == pytest.approx(10, abs=0.01)
    assert sum(one.duration_s for one in seen + hidden) == pytest.approx(10 * 86400, abs=1)


def test_all_conditions_hold_together(lander_elevation_deg):
    lander, start = Lander(18.44, 77.45), datetime(2027, 2, 19, tzinfo=UTC)
    conditions = [station_sees_body(["canberra"], 20), lander_sees_earth(lander, 15), path_clear_of_sun(3)]
    for one in find_windows("mars", start, start + 3 * DAY, conditions):
        for moment in (one.start + SECOND, one.end - SECOND):
            assert elevation_deg("mars", "canberra", moment) >= 20
            assert lander_elevation_deg(lander, moment) >= 15


def test_the_next_window_is_the_first_of_all_windows():
    start = datetime(2027, 5, 1, tzinfo=UTC)
    conditions = [station_sees_body(["goldstone"])]
    listed = find_windows("saturn", start, start + 5 * DAY, conditions)
    found = find_next_window("saturn", start, conditions)
    assert abs(found.start - listed[0].start) < SECOND
    assert abs(found.end - listed[0].end) < SECOND
    inside = found.start + timedelta(hours=1)
    assert find_next_window("saturn", inside, conditions).start == inside


def test_the_next_window_is_found_across_many_blocks_of_samples():
    after_conjunction = find_next_window("mars", "2028-03-14", [path_clear_of_sun(2.0)], search_days=30)
    assert find_line_of_sight("mars", after_conjunction.start).sun_angle_deg == pytest.approx(2, abs=1e-3)
    assert after_conjunction.end == datetime(2028, 4, 13, tzinfo=UTC)


@pytest.mark.parametrize(
    ("body", "conditions"),
    [
        ("mars", [station_sees_body(["madrid"], 85)]),  # Madrid at 40° north, Mars within 27° of the equator
        ("mars", [lander_sees_earth(Lander(89, 0), 60)]),
    ],
)
def test_a_window_that_never_opens_is_reported_in_one_line(body, conditions):
    with pytest.raises(InputError, match=r"no window from mars opens between 2027-02-19T00:00Z and 2027-02-24T00:00Z"):
        find_next_window(body, "2027-02-19", conditions, search_days=5)


def test_the_search_stops_at_the_end_of_the_ephemeris():
    with pytest.raises(InputError, match="and 2053-10-01T00:00Z"):
        find_next_window("mars", "2053-09-30", [station_sees_body(["madrid"], 85)])


def test_bad_input_is_refused_with_field_value_and_rule():
    with pytest.raises(ConfigError, match=r"end = 2027-01-01T00:00:00Z: must be after start, 2027-01-02T00:00:00Z"):
        find_windows("mars", "2027-01-02", "2027-01-01", [])
    with pytest.raises(ConfigError, match=r"start = 1850-01-01T00:00:00Z: must be from"):
        find_windows("mars", "1850-01-01", "2027-01-01", [])
    with pytest.raises(ConfigError, match=r"search_days = nan: must be a finite number from 0.01 to 3660"):
        find_next_window("mars", "2027-01-01", [], search_days=float("nan"))
    with pytest.raises(ConfigError, match=r"step_s = 0: must be"):
        find_windows("mars", "2027-01-01", "2027-01-02", [], step_s=0)
    with pytest.raises(ConfigError, match=r"min_elevation_deg = -3: must be"):
        station_sees_body(["madrid"], -3)
    with pytest.raises(ConfigError, match=r"min_angle_deg = inf: must be"):
        path_clear_of_sun(float("inf"))
    with pytest.raises(UnknownNameError, match="station = 'mars'"):
        station_sees_body(["mars"])
    with pytest.raises(UnknownNameError, match="body = 'sun'"):
        find_windows("sun", "2027-01-01", "2027-01-02", [])
