"""Range, light time, Sun angle and elevation of a signal from a body to Earth, from JPL's ephemeris DE421.

Positions are those of ``skyfield`` in the barycentric frame. Ephemeris and time scales are data of installed packages;
nothing is downloaded. Every date is the moment at which the signal *leaves* the body, in UTC. The light time tau solves
``c · tau = |r_body(t) - r_earth(t + tau)|`` by fixed-point iteration. Body and Earth are taken at their centres, which
is at most 21 ms from the light time to a station. The relativistic (Shapiro) delay, below 1 ms, is not modelled.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import numpy as np

from channel.constants import SPEED_OF_LIGHT_M_S
from channel.deep_space.bodies import Body, Lander, Station, find_body, find_station
from shared.errors import ConfigError
from shared.validation import short_repr

if TYPE_CHECKING:
    from numpy.typing import NDArray

SPEED_OF_LIGHT_KM_S = SPEED_OF_LIGHT_M_S / 1000
SECONDS_PER_DAY = 86_400.0
# DE421 runs from 1899-07-28 to 2053-10-08; the bounds leave room for the light time to Saturn.
FIRST_DATE = datetime(1900, 1, 1, tzinfo=UTC)
LAST_DATE = datetime(2053, 10, 1, tzinfo=UTC)
# Each step shrinks the error by the Earth's speed over that of light, 1e-4: after four, 1.5 h is right to 1 ns.
_LIGHT_TIME_STEPS = 4


@dataclass(frozen=True, slots=True)
class LineOfSight:
    """The path of one signal from ``body`` to Earth.

    ``range_km`` is the distance from the body at departure to the Earth at arrival, centre to centre. ``sun_angle_deg``
    is the Sun-Earth-Probe angle at arrival. With ``behind_sun`` the Sun is nearer than the body, so that the signal
    crosses the corona at small angles.
    """

    body: str
    departure: datetime
    arrival: datetime
    range_km: float
    light_time_s: float
    sun_angle_deg: float
    behind_sun: bool


@dataclass(frozen=True, slots=True)
class SignalPaths:
    """The paths of signals that leave one body at ``n`` dates: skyfield times and arrays ``[n]``.

    ``path_km`` ``[3, n]`` points from the Earth at arrival to the body at departure, along the axes of the ICRF
    (International Celestial Reference Frame).
    """

    body: Body
    departure: Any
    arrival: Any
    light_time_s: NDArray[np.float64]
    path_km: NDArray[np.float64]


def parse_utc(value: datetime | str, field: str = "date") -> datetime:
    """Return a date in UTC. Text must be ISO 8601; a date without a time zone is UTC.

    Raises:
        ConfigError: ``value`` is not a date, or is outside the ephemeris.
    """
    try:
        date = datetime.fromisoformat(value) if isinstance(value, str) else value
        date = date.replace(tzinfo=UTC) if date.tzinfo is None else date.astimezone(UTC)
    except (ValueError, OverflowError):
        raise ConfigError(f"{field} = {short_repr(value)}: must be an ISO 8601 date such as 2027-02-19T12:00") from None
    if not FIRST_DATE <= date <= LAST_DATE:
        raise ConfigError(
            f"{field} = {date:%Y-%m-%dT%H:%M:%SZ}: must be from {FIRST_DATE:%Y-%m-%d} to {LAST_DATE:%Y-%m-%d}, "
            "which the DE421 ephemeris covers"
        )
    return date


def find_line_of_sight(body: str, departure: datetime | str) -> LineOfSight:
    """Return range, light time and Sun angle of a signal that leaves ``body`` at ``departure`` (UTC).

    Raises:
        UnknownNameError: there is no such body.
        ConfigError: the date is outside the ephemeris.
    """
    target, date = find_body(body), parse_utc(departure)
    paths = trace_signals(target, load_time_scale().from_datetimes([date]))
    light_time_s = float(paths.light_time_s[0])
    angle_deg, behind = sun_angles_deg(paths)
    return LineOfSight(
        body=body,
        departure=date,
        arrival=date + timedelta(seconds=light_time_s),
        range_km=light_time_s * SPEED_OF_LIGHT_KM_S,
        light_time_s=light_time_s,
        sun_angle_deg=float(angle_deg[0]),
        behind_sun=bool(behind[0]),
    )


def elevation_deg(body: str, station: str, departure: datetime | str) -> float:
    """Return the elevation of ``body`` at ``station`` when the signal that left at ``departure`` arrives, in degrees.

    It is the apparent elevation without refraction, which would add 0.1° at 10°.

    Raises:
        UnknownNameError: there is no such body or station.
        ConfigError: the date is outside the ephemeris.
    """
    target, place, date = find_body(body), find_station(station), parse_utc(departure)
    return float(station_elevations_deg(trace_signals(target, load_time_scale().from_datetimes([date])), place)[0])


def trace_signals(body: Body, departure: Any) -> SignalPaths:
    """Return the paths of signals that leave ``body`` at a skyfield time of ``n`` dates."""
    ephemeris = _load_ephemeris()
    start_km = ephemeris[body.target].at(departure).position.km
    light_time_s = np.zeros(start_km.shape[1])
    for _ in range(_LIGHT_TIME_STEPS):
        arrival = departure + light_time_s / SECONDS_PER_DAY
        path_km = start_km - ephemeris["earth"].at(arrival).position.km
        light_time_s = np.linalg.norm(path_km, axis=0) / SPEED_OF_LIGHT_KM_S
    return SignalPaths(body, departure, departure + light_time_s / SECONDS_PER_DAY, light_time_s, path_km)


def sun_angles_deg(paths: SignalPaths) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Return the Sun-Earth-Probe angle at arrival in degrees ``[n]``, and whether the body is farther than the Sun."""
    ephemeris = _load_ephemeris()
    to_sun_km = ephemeris["earth"].at(paths.arrival).observe(ephemeris["sun"]).position.km
    behind = np.linalg.norm(paths.path_km, axis=0) > np.linalg.norm(to_sun_km, axis=0)
    return _angle_deg(paths.path_km, to_sun_km), behind


def station_elevations_deg(paths: SignalPaths, station: Station) -> NDArray[np.float64]:
    """Return the body's elevation at the station at arrival, in degrees ``[n]``."""
    from skyfield.api import wgs84  # noqa: PLC0415 - only deep-space channels need it

    ephemeris = _load_ephemeris()
    place = ephemeris["earth"] + wgs84.latlon(station.latitude_deg, station.longitude_deg, station.height_m)
    altitude, _, _ = place.at(paths.arrival).observe(ephemeris[paths.body.target]).apparent().altaz()
    return np.asarray(altitude.degrees)


def lander_elevations_deg(paths: SignalPaths, lander: Lander) -> NDArray[np.float64]:
    """Return the Earth's elevation at the lander at departure, in degrees ``[n]``; Mars is taken as a sphere."""
    return 90.0 - _angle_deg(-paths.path_km, _mars_zenith(lander, paths.departure))


def _mars_zenith(lander: Lander, departure: Any) -> NDArray[np.float64]:
    """Return the lander's zenith along the axes of the ICRF ``[3, n]``; pole and rotation: IAU WGCCRE 2009, table 1."""
    days = np.asarray(departure.tdb) - 2_451_545.0
    centuries = days / 36_525.0
    pole_ra = np.radians(317.68143 - 0.1061 * centuries)
    pole_dec = np.radians(52.88650 - 0.0609 * centuries)
    meridian = np.radians((176.630 + 350.89198226 * days) % 360.0)
    latitude, longitude = np.radians(lander.latitude_deg), np.radians(lander.longitude_deg)
    pole = np.array([np.cos(pole_dec) * np.cos(pole_ra), np.cos(pole_dec) * np.sin(pole_ra), np.sin(pole_dec)])
    node = np.array([-np.sin(pole_ra), np.cos(pole_ra), np.zeros_like(pole_ra)])  # equator over the ICRF's equator
    from_node = meridian + longitude
    across = np.cross(pole, node, axis=0)
    return np.asarray(
        np.sin(latitude) * pole + np.cos(latitude) * (np.cos(from_node) * node + np.sin(from_node) * across)
    )


def _angle_deg(one: NDArray[np.float64], other: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the angles between the columns of two arrays ``[3, n]`` in degrees, accurate for small angles too."""
    across = np.linalg.norm(np.cross(one, other, axis=0), axis=0)
    return np.asarray(np.degrees(np.arctan2(across, np.sum(one * other, axis=0))))


@cache
def load_time_scale() -> Any:
    """Return skyfield's time scale, from the tables in its package."""
    from skyfield.api import load  # noqa: PLC0415 - only deep-space channels need it

    return load.timescale(builtin=True)


@cache
def _load_ephemeris() -> Any:
    from skyfield.api import load_file  # noqa: PLC0415 - only deep-space channels need it

    # Not get_skyfield_data_path(): it warns when the Earth rotation tables are old, which are not used here.
    return load_file(str(files("skyfield_data") / "data" / "de421.bsp"))
