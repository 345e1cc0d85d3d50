"""Range, light time, Sun angle and elevation of a signal between a body and the Earth.

Positions are those of ``skyfield`` in the barycentric frame. Every date is the moment at which the signal *leaves*, in
UTC. The light time tau of a downlink solves ``c · tau = |r_body(t) - r_earth(t + tau)|``, that of an uplink
``c · tau = |r_body(t + tau) - r_earth(t)|``, by fixed-point iteration. The relativistic (Shapiro) delay, below 1 ms, is
not modelled.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np

from channel.constants import SPEED_OF_LIGHT_M_S
from channel.deep_space.bodies import Lander, Station, find_station
from channel.deep_space.target import FIRST_DATE, LAST_DATE, Target, body_target, load_time_scale
from shared.errors import ConfigError
from shared.validation import short_repr

if TYPE_CHECKING:
    from numpy.typing import NDArray

SPEED_OF_LIGHT_KM_S = SPEED_OF_LIGHT_M_S / 1000
SECONDS_PER_DAY = 86_400.0
# Each step shrinks the error by the Earth's speed over that of light, 1e-4: after four, 1.5 h is right to 1 ns.
_LIGHT_TIME_STEPS = 4
_STATION_STEPS = 2  # from the 21 ms between the Earth's centre and a station: right to 1 ns


@dataclass(frozen=True, slots=True)
class LineOfSight:
    """The path of one signal between ``body`` and the Earth, to the body if ``uplink``.

    ``range_km`` is the distance from the sender at departure to the receiver at arrival; on Earth the station, or the
    centre if none is given. ``sun_angle_deg`` is the Sun-Earth-Probe angle. With ``behind_sun`` the Sun is nearer than
    the body, so that the signal crosses the corona at small angles. The receiver sees the Sun
    ``receiver_sun_angle_deg`` from the sender, ``receiver_sun_km`` away; for a downlink the first is the
    Sun-Earth-Probe angle.
    """

    body: str
    departure: datetime
    arrival: datetime
    range_km: float
    light_time_s: float
    sun_angle_deg: float
    behind_sun: bool
    receiver_sun_angle_deg: float
    receiver_sun_km: float
    uplink: bool = False


@dataclass(frozen=True, slots=True)
class SignalPaths:
    """The paths of signals between one body and the Earth at ``n`` dates: skyfield times and arrays ``[n]``.

    ``path_km`` ``[3, n]`` points from the Earth (its centre, or a station) to the body, each at the moment when the
    signal is there, along the axes of the ICRF (International Celestial Reference Frame).
    """

    body: Target
    departure: Any
    arrival: Any
    light_time_s: NDArray[np.float64]
    path_km: NDArray[np.float64]
    uplink: bool = False

    @property
    def earth_time(self) -> Any:
        """When the signals are at the Earth."""
        return self.departure if self.uplink else self.arrival

    @property
    def body_time(self) -> Any:
        """When the signals are at the body."""
        return self.arrival if self.uplink else self.departure


def parse_utc(value: datetime | str, field: str = "date", target: Target | None = None) -> datetime:
    """Return a date in UTC. Text must be ISO 8601; a date without a time zone is UTC.

    Raises:
        ConfigError: ``value`` is not a date, or is outside the ephemeris: DE421, or that of ``target``.
    """
    try:
        date = datetime.fromisoformat(value) if isinstance(value, str) else value
        date = date.replace(tzinfo=UTC) if date.tzinfo is None else date.astimezone(UTC)
    except (ValueError, OverflowError):
        raise ConfigError(f"{field} = {short_repr(value)}: must be an ISO 8601 date such as 2027-02-19T12:00") from None
    first, last = (target.first, target.last) if target else (FIRST_DATE, LAST_DATE)
    if not first <= date <= last:
        raise ConfigError(
            f"{field} = {date:%Y-%m-%dT%H:%M:%SZ}: must be from {first:%Y-%m-%d} to {last:%Y-%m-%d}, "
            f"which {target.source if target else 'the DE421 ephemeris'} covers"
        )
    return date


def as_target(body: Target | str) -> Target:
    """Return a target as it is, and a body by its name.

    Raises:
        UnknownNameError: there is no such body.
    """
    return body if isinstance(body, Target) else body_target(body)


def find_line_of_sight(
    body: Target | str, departure: datetime | str, station: Station | None = None, *, uplink: bool = False
) -> LineOfSight:
    """Return range, light time and Sun angle of a signal that leaves ``body`` (uplink: the Earth) at ``departure``.

    Raises:
        UnknownNameError: there is no such body.
        ConfigError: the date is outside the ephemeris.
    """
    target = as_target(body)
    date = parse_utc(departure, target=target)
    centre = trace_signals(target, load_time_scale().from_datetimes([date]), uplink=uplink)
    paths = centre if station is None else move_to_station(centre, station)
    light_time_s = float(paths.light_time_s[0])
    angle_deg, behind = sun_angles_deg(centre)
    receiver_angle_deg, receiver_km = _receiver_sun(centre)
    return LineOfSight(
        body=target.name,
        departure=date,
        arrival=date + timedelta(seconds=light_time_s),
        range_km=light_time_s * SPEED_OF_LIGHT_KM_S,
        light_time_s=light_time_s,
        sun_angle_deg=float(angle_deg[0]),
        behind_sun=bool(behind[0]),
        receiver_sun_angle_deg=float(receiver_angle_deg[0]),
        receiver_sun_km=float(receiver_km[0]),
        uplink=uplink,
    )


def elevation_deg(
    body: Target | str, station: Station | str, departure: datetime | str, *, uplink: bool = False
) -> float:
    """Return the elevation of ``body`` at ``station`` for the signal that leaves at ``departure``, in degrees.

    It is the apparent elevation without refraction, which would add 0.1° at 10°. For an uplink it is the direction in
    which the antenna must send.

    Raises:
        UnknownNameError: there is no such body or station.
        ConfigError: the date is outside the ephemeris.
    """
    target = as_target(body)
    place = station if isinstance(station, Station) else find_station(station)
    date = parse_utc(departure, target=target)
    paths = trace_signals(target, load_time_scale().from_datetimes([date]), uplink=uplink)
    return float(station_elevations_deg(paths, place)[0])


def trace_signals(body: Target, departure: Any, *, uplink: bool = False) -> SignalPaths:
    """Return the paths of signals that leave at a skyfield time of ``n`` dates, between ``body`` and Earth's centre.

    Raises:
        ConfigError: the body has no position at one of the dates.
    """
    return _solve_light_time(body, body.earth, departure, np.zeros(len(departure.tt)), uplink, _LIGHT_TIME_STEPS)


def move_to_station(paths: SignalPaths, station: Station) -> SignalPaths:
    """Return the paths of the same departures between the body and a station on Earth."""
    place = paths.body.earth + _locate(station)
    return _solve_light_time(paths.body, place, paths.departure, paths.light_time_s, paths.uplink, _STATION_STEPS)


def _solve_light_time(
    body: Target, earth_end: Any, departure: Any, light_time_s: NDArray[np.float64], uplink: bool, steps: int
) -> SignalPaths:
    departure = _later(departure, np.zeros(len(departure.tt)))
    fixed_km = _positions_km(earth_end if uplink else body.path, departure, body)
    for _ in range(steps):
        arrival = _later(departure, light_time_s)
        moving_km = _positions_km(body.path if uplink else earth_end, arrival, body)
        path_km = moving_km - fixed_km if uplink else fixed_km - moving_km
        light_time_s = np.linalg.norm(path_km, axis=0) / SPEED_OF_LIGHT_KM_S
    return SignalPaths(body, departure, _later(departure, light_time_s), light_time_s, path_km, uplink)


def _later(time: Any, seconds: NDArray[np.float64]) -> Any:
    """Return a skyfield time ``[n]`` that many seconds later, with nutation by the short series of IAU 2000B.

    It is right to 0.001", and has 77 terms instead of 687, which would take most of the time of a search for windows.
    """
    from skyfield.nutationlib import iau2000b_radians  # noqa: PLC0415 - only deep-space channels need it

    later = time + seconds / SECONDS_PER_DAY
    later._nutation_angles_radians = iau2000b_radians(later)  # noqa: SLF001 - as skyfield's documentation does it
    return later


def _positions_km(vector: Any, time: Any, body: Target) -> NDArray[np.float64]:
    """Return barycentric positions ``[3, n]``."""
    try:
        found = np.asarray(vector.at(time).position.km)
    except ValueError:  # skyfield's and jplephem's errors outside an ephemeris
        found = np.full(3, np.nan)
    if not np.all(np.isfinite(found)):
        raise ConfigError(
            f"{body.name} has no position at {time[0].utc_strftime('%Y-%m-%dT%H:%MZ')} or soon after: "
            f"{body.source} ends, or the orbit has decayed; give another date"
        )
    return found


def sun_angles_deg(paths: SignalPaths) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Return the Sun-Earth-Probe angle in degrees ``[n]``, and whether the body is farther than the Sun."""
    to_sun_km = paths.body.earth.at(paths.earth_time).observe(paths.body.sun).position.km
    behind = np.linalg.norm(paths.path_km, axis=0) > np.linalg.norm(to_sun_km, axis=0)
    return _angle_deg(paths.path_km, to_sun_km), behind


def _receiver_sun(paths: SignalPaths) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the angle between sender and Sun at the receiver in degrees, and the Sun's distance from it in km."""
    receiver, to_sender_km = (paths.body.path, -paths.path_km) if paths.uplink else (paths.body.earth, paths.path_km)
    to_sun_km = receiver.at(paths.arrival).observe(paths.body.sun).position.km
    return _angle_deg(to_sender_km, to_sun_km), np.linalg.norm(to_sun_km, axis=0)


def station_elevations_deg(paths: SignalPaths, station: Station) -> NDArray[np.float64]:
    """Return the body's apparent elevation at the station when the signal is there, in degrees ``[n]``.

    The station's velocity turns the direction by aberration: by v / c towards it on reception, away from it on
    transmission. The bending by the Sun's gravity, 0.0005° at most, is not modelled.
    """
    place = _locate(station)
    here = move_to_station(paths, station)
    time = here.earth_time
    velocity_km_s = (here.body.earth + place).at(time).velocity.km_per_s
    turned = velocity_km_s / SPEED_OF_LIGHT_KM_S * (-1 if here.uplink else 1)
    direction = here.path_km / np.linalg.norm(here.path_km, axis=0) + turned
    east_north_up = np.einsum("ijn,jn->in", place.rotation_at(time), direction)
    return np.asarray(np.degrees(np.arcsin(east_north_up[2] / np.linalg.norm(east_north_up, axis=0))))


def _locate(station: Station) -> Any:
    from skyfield.api import wgs84  # noqa: PLC0415 - only deep-space channels need it

    return wgs84.latlon(station.latitude_deg, station.longitude_deg, station.height_m)


def lander_elevations_deg(paths: SignalPaths, lander: Lander) -> NDArray[np.float64]:
    """Return the Earth's elevation at the lander when the signal is there, in degrees ``[n]``; Mars is a sphere."""
    return 90.0 - _angle_deg(-paths.path_km, _mars_zenith(lander, paths.body_time))


def _mars_zenith(lander: Lander, time: Any) -> NDArray[np.float64]:
    """Return the lander's zenith along the axes of the ICRF ``[3, n]``; pole and rotation: IAU WGCCRE 2009, table 1."""
    days = np.asarray(time.tdb) - 2_451_545.0
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
