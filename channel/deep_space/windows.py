"""Transmission windows: when a signal that leaves a body reaches a ground station.

Three things can block the path. Each has a ``Condition`` here that holds while the path is free:

- The Earth rotates: the body must be above the station's lowest elevation when the signal arrives
  (``station_sees_body``).
- The Sun is in front: the path must keep a Sun-Earth-Probe angle from the corona (``path_clear_of_sun``); below 0.27°
  the disc itself blocks it. A body nearer than the Sun, as the Moon always is, is never blocked by it.
- Mars rotates: the Earth must be above a lander's horizon when the signal leaves (``lander_sees_earth``).

Orbiters behind their planet, moons in front of a planet and eclipses are not modelled. Windows are times of departure.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from channel.checks import check_in_range
from channel.deep_space.bodies import Lander, Station, find_station
from channel.deep_space.geometry import (
    SECONDS_PER_DAY,
    SignalPaths,
    as_target,
    lander_elevations_deg,
    parse_utc,
    station_elevations_deg,
    sun_angles_deg,
    trace_signals,
)
from channel.deep_space.target import Target, load_time_scale
from shared.errors import ConfigError, InputError

if TYPE_CHECKING:
    from collections.abc import Iterator

Condition = Callable[[SignalPaths], NDArray[np.bool_]]

_SAMPLES_AT_ONCE = 256  # limits memory: the nutation series has 687 terms per sample
_EDGE_S = 0.1


@dataclass(frozen=True, slots=True)
class Window:
    """Signals that leave from ``start`` to ``end`` (UTC) meet every condition; the edges are accurate to a second."""

    start: datetime
    end: datetime

    @property
    def duration_s(self) -> float:
        """Length in seconds."""
        return (self.end - self.start).total_seconds()


def station_sees_body(stations: Sequence[Station | str], min_elevation_deg: float = 10.0) -> Condition:
    """Return the condition that any of ``stations`` sees the body at ``min_elevation_deg`` or higher at arrival.

    Raises:
        UnknownNameError: there is no such station.
        ConfigError: the elevation is outside 0° to 90°.
    """
    places = [one if isinstance(one, Station) else find_station(one) for one in stations]
    check_in_range("min_elevation_deg", min_elevation_deg, 0, 90)
    return lambda paths: np.any([station_elevations_deg(paths, place) >= min_elevation_deg for place in places], axis=0)


def path_clear_of_sun(min_angle_deg: float = 2.0) -> Condition:
    """Return the condition that the path does not pass behind the Sun's corona within ``min_angle_deg`` of the Sun.

    2° is where frames begin to be lost at X-band (Morabito, IPN Progress Report 42-153).

    Raises:
        ConfigError: the angle is outside 0° to 90°.
    """
    check_in_range("min_angle_deg", min_angle_deg, 0, 90)

    def is_clear(paths: SignalPaths) -> NDArray[np.bool_]:
        angle_deg, behind = sun_angles_deg(paths)
        return ~(behind & (angle_deg < min_angle_deg))

    return is_clear


def lander_sees_earth(lander: Lander, min_elevation_deg: float = 10.0) -> Condition:
    """Return the condition that a lander on Mars sees the Earth at ``min_elevation_deg`` or higher.

    Raises:
        ConfigError: the elevation is outside 0° to 90°.
    """
    check_in_range("min_elevation_deg", min_elevation_deg, 0, 90)
    return lambda paths: lander_elevations_deg(paths, lander) >= min_elevation_deg


def negate(condition: Condition) -> Condition:
    """Return the opposite of ``condition``; its windows are the occultations."""
    return lambda paths: ~condition(paths)


def find_windows(
    body: Target | str,
    start: datetime | str,
    end: datetime | str,
    conditions: Sequence[Condition],
    *,
    step_s: float | None = None,
    uplink: bool = False,
) -> list[Window]:
    """Return the windows between two departures in which every condition holds, in order.

    ``step_s`` is the time between samples, by default 10 minutes and for satellites 30 seconds: a shorter window, or a
    shorter gap between two windows, may be missed. For an ``uplink`` the departures are from the Earth.

    Raises:
        UnknownNameError: there is no such body.
        ConfigError: a date is outside the ephemeris, the end is not after the start, or the step is not 1 s to 1 day.
    """
    target = as_target(body)
    low, high = parse_utc(start, "start", target), parse_utc(end, "end", target)
    if high <= low:
        raise ConfigError(f"end = {high:%Y-%m-%dT%H:%M:%SZ}: must be after start, {low:%Y-%m-%dT%H:%M:%SZ}")
    return list(_iterate_windows(target, low, high, conditions, step_s, uplink))


def find_next_window(
    body: Target | str,
    after: datetime | str,
    conditions: Sequence[Condition],
    *,
    search_days: float = 60.0,
    step_s: float | None = None,
    uplink: bool = False,
) -> Window:
    """Return the first window that is open at ``after`` or opens within ``search_days`` of it.

    A window that is open already starts at ``after``; one that is still open when the search ends, ends there.

    Raises:
        UnknownNameError: there is no such body.
        ConfigError: the date is outside the ephemeris, the search is not 0.01 to 3660 days, or the step is not 1 s to
            1 day.
        InputError: no window opens.
    """
    target = as_target(body)
    low = parse_utc(after, "after", target)
    high = min(low + timedelta(days=check_in_range("search_days", search_days, 0.01, 3660)), target.last)
    found = next(_iterate_windows(target, low, high, conditions, step_s, uplink), None)
    if found is None:
        raise InputError(
            f"no window {'to' if uplink else 'from'} {target.name} opens "
            f"between {low:%Y-%m-%dT%H:%MZ} and {high:%Y-%m-%dT%H:%MZ}: "
            "search longer, lower the elevation or allow a smaller angle to the Sun"
        )
    return found


def _iterate_windows(
    target: Target,
    start: datetime,
    end: datetime,
    conditions: Sequence[Condition],
    given_step_s: float | None,
    uplink: bool,
) -> Iterator[Window]:
    """Yield the windows in order; the search goes only as far as windows are asked for."""
    step_s = target.step_s if given_step_s is None else check_in_range("step_s", given_step_s, 1, SECONDS_PER_DAY)

    def holds(departure: Any) -> NDArray[np.bool_]:
        paths = trace_signals(target, departure, uplink=uplink)
        all_hold = np.ones(paths.light_time_s.shape, bool)
        for condition in conditions:
            all_hold &= condition(paths)
        return all_hold

    opened = start if holds(load_time_scale().from_datetimes([start]))[0] else None
    while start < end:
        until = min(end, start + timedelta(seconds=_SAMPLES_AT_ONCE * step_s))
        for moment, opens in _find_changes(start, until, holds, step_s):
            if opens:
                opened = opened or moment
            elif opened:
                yield Window(opened, moment)
                opened = None
        start = until
    if opened:
        yield Window(opened, end)


def _find_changes(
    start: datetime, end: datetime, holds: Callable[[Any], NDArray[np.bool_]], step_s: float
) -> list[tuple[datetime, bool]]:
    """Return the moments at which ``holds`` changes, each with its new value."""
    from skyfield.searchlib import find_discrete  # noqa: PLC0415 - only deep-space channels need it

    def values(departure: Any) -> NDArray[np.int8]:
        return holds(departure).astype(np.int8)

    values.step_days = step_s / SECONDS_PER_DAY  # type: ignore[attr-defined]
    low, high = load_time_scale().from_datetimes([start, end])
    times, states = find_discrete(low, high, values, epsilon=_EDGE_S / SECONDS_PER_DAY)
    return [(moment, bool(state)) for moment, state in zip(times.utc_datetime(), states, strict=True)]
