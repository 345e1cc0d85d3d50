"""When a signal may leave a body: station passes, the Sun in front, a lander turned away.

Three things come between a body and a ground station, each a ``Condition`` here:

- the Earth turns: the body is below the station's lowest elevation when the signal arrives (``over_stations``);
- the Sun is in front: the path crosses the corona within a Sun-Earth-Probe angle (``clear_of_sun``); below 0.27° the
  disc itself is in the way. A body nearer than the Sun, as the Moon always is, is never blocked so;
- Mars turns: the Earth is below a lander's horizon when the signal leaves (``earth_over``).

Orbiters behind their planet, moons in front of a planet and eclipses are left out. Windows are times of departure.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from channel.checks import check_in_range
from channel.deep_space.bodies import Lander, body_named, station_named
from channel.deep_space.geometry import (
    LAST_DATE,
    SECONDS_PER_DAY,
    Flight,
    flight,
    lander_elevations_deg,
    station_elevations_deg,
    sun_angles_deg,
    time_scale,
    utc,
)
from shared.errors import ConfigError, InputError

if TYPE_CHECKING:
    from collections.abc import Iterator

Condition = Callable[[Flight], NDArray[np.bool_]]

_SAMPLES_AT_ONCE = 256  # bounds memory: the nutation series takes 687 terms per sample
_EDGE_S = 0.1


@dataclass(frozen=True, slots=True)
class Window:
    """Signals that leave from ``start`` to ``end`` (UTC) meet every condition; edges are good to a second."""

    start: datetime
    end: datetime

    @property
    def duration_s(self) -> float:
        """Length in seconds."""
        return (self.end - self.start).total_seconds()


def over_stations(stations: Sequence[str], min_elevation_deg: float = 10.0) -> Condition:
    """Return the condition that any of ``stations`` sees the body at ``min_elevation_deg`` or higher at arrival.

    Raises:
        UnknownNameError: no such station.
        ConfigError: an elevation outside 0° to 90°.
    """
    places = [station_named(name) for name in stations]
    check_in_range("min_elevation_deg", min_elevation_deg, 0, 90)
    return lambda flights: np.any(
        [station_elevations_deg(flights, place) >= min_elevation_deg for place in places], axis=0
    )


def clear_of_sun(min_angle_deg: float = 2.0) -> Condition:
    """Return the condition that the path does not pass behind the Sun's corona within ``min_angle_deg`` of the Sun.

    2° is where frames begin to be lost at X-band (Morabito, IPN Progress Report 42-153).

    Raises:
        ConfigError: an angle outside 0° to 90°.
    """
    check_in_range("min_angle_deg", min_angle_deg, 0, 90)

    def clear(flights: Flight) -> NDArray[np.bool_]:
        angle_deg, behind = sun_angles_deg(flights)
        return ~(behind & (angle_deg < min_angle_deg))

    return clear


def earth_over(lander: Lander, min_elevation_deg: float = 10.0) -> Condition:
    """Return the condition that the Earth stands at ``min_elevation_deg`` or higher over a lander on Mars.

    Raises:
        ConfigError: an elevation outside 0° to 90°.
    """
    check_in_range("min_elevation_deg", min_elevation_deg, 0, 90)
    return lambda flights: lander_elevations_deg(flights, lander) >= min_elevation_deg


def blocked(condition: Condition) -> Condition:
    """Return the opposite of ``condition``, whose windows are its occultations."""
    return lambda flights: ~condition(flights)


def windows(
    body: str,
    start: datetime | str,
    end: datetime | str,
    conditions: Sequence[Condition],
    *,
    step_s: float = 600.0,
) -> list[Window]:
    """Return the windows between two departures in which every condition holds, in order.

    ``step_s`` is the distance of the first samples: a window, or a gap between two, that is shorter may be missed.

    Raises:
        UnknownNameError: no such body.
        ConfigError: a date outside the ephemeris, an end that is not after the start, a step outside 1 s to 1 day.
    """
    low, high = utc(start, "start"), utc(end, "end")
    if high <= low:
        raise ConfigError(f"end = {high:%Y-%m-%dT%H:%M:%SZ}: must be after start, {low:%Y-%m-%dT%H:%M:%SZ}")
    return list(_openings(body, low, high, conditions, step_s))


def next_window(
    body: str,
    after: datetime | str,
    conditions: Sequence[Condition],
    *,
    search_days: float = 60.0,
    step_s: float = 600.0,
) -> Window:
    """Return the first window that is open at ``after`` or opens within ``search_days`` of it.

    One that is open already starts at ``after``; one still open when the search ends, ends there.

    Raises:
        UnknownNameError: no such body.
        ConfigError: a date outside the ephemeris, a search outside 0.01 to 3660 days, a step outside 1 s to 1 day.
        InputError: no window opens.
    """
    low = utc(after, "after")
    high = min(low + timedelta(days=check_in_range("search_days", search_days, 0.01, 3660)), LAST_DATE)
    found = next(_openings(body, low, high, conditions, step_s), None)
    if found is None:
        raise InputError(
            f"no window from {body} opens between {low:%Y-%m-%dT%H:%MZ} and {high:%Y-%m-%dT%H:%MZ}: "
            "search longer, lower the elevation or allow a smaller angle to the Sun"
        )
    return found


def _openings(
    body: str, start: datetime, end: datetime, conditions: Sequence[Condition], step_s: float
) -> Iterator[Window]:
    """Yield the windows in order, looking no further ahead than is asked for."""
    target = body_named(body)
    check_in_range("step_s", step_s, 1, SECONDS_PER_DAY)

    def holds(departure: Any) -> NDArray[np.bool_]:
        flights = flight(target, departure)
        met = np.ones(flights.light_time_s.shape, bool)
        for condition in conditions:
            met &= condition(flights)
        return met

    opened = start if holds(time_scale().from_datetimes([start]))[0] else None
    while start < end:
        until = min(end, start + timedelta(seconds=_SAMPLES_AT_ONCE * step_s))
        for moment, opens in _changes(start, until, holds, step_s):
            if opens:
                opened = opened or moment
            elif opened:
                yield Window(opened, moment)
                opened = None
        start = until
    if opened:
        yield Window(opened, end)


def _changes(
    start: datetime, end: datetime, holds: Callable[[Any], NDArray[np.bool_]], step_s: float
) -> list[tuple[datetime, bool]]:
    """Return the moments at which ``holds`` changes, each with its new value."""
    from skyfield.searchlib import find_discrete  # noqa: PLC0415 - commands and services start without it

    def values(departure: Any) -> NDArray[np.int8]:
        return holds(departure).astype(np.int8)

    values.step_days = step_s / SECONDS_PER_DAY  # type: ignore[attr-defined]
    low, high = time_scale().from_datetimes([start, end])
    times, states = find_discrete(low, high, values, epsilon=_EDGE_S / SECONDS_PER_DAY)
    return [(moment, bool(state)) for moment, state in zip(times.utc_datetime(), states, strict=True)]
