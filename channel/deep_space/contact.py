"""A deep-space contact from two ends and a date: its window, light time, link budget and scintillation."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING

from channel.deep_space.bodies import EARTH, Lander, Station
from channel.deep_space.geometry import SPEED_OF_LIGHT_KM_S, LineOfSight, elevation_deg, find_line_of_sight, parse_utc
from channel.deep_space.link_budget import Background, LinkBudget, compute_link_budget
from channel.deep_space.scintillation import Scintillation, predict_scintillation
from channel.deep_space.target import body_target, kernel_target, satellite_target
from channel.deep_space.weather import Weather, predict_weather
from channel.deep_space.windows import Window, find_next_window, lander_sees_earth, path_clear_of_sun, station_sees_body
from channel.propagation.impairments import MAX_TIME_S, Outages

if TYPE_CHECKING:
    from datetime import datetime

    from channel.deep_space.settings import DeepSpace
    from channel.deep_space.target import Target


@dataclass(frozen=True, slots=True)
class Contact:
    """The link at the moment when the first signal leaves, at ``window.start``.

    ``station`` is the station that sees the body highest, at ``elevation_deg``. ``fading`` is None if the path does not
    cross the corona near the Sun. ``background`` is what the receiving antenna sees besides the signal.
    """

    line_of_sight: LineOfSight
    window: Window
    station: str
    elevation_deg: float
    fading: Scintillation | None
    background: Background
    weather: Weather | None = None

    @property
    def departure(self) -> datetime:
        """When the first signal leaves, UTC."""
        return self.window.start


def find_contact(settings: DeepSpace) -> Contact:
    """Return the first contact at or after the date in ``settings``.

    Raises:
        ConfigError: the date is outside the ephemeris, or a TLE or kernel cannot be used.
        SetupError: ``weather`` needs a package that is not installed.
        InputError: no window opens.
    """
    target = _find_target(settings)
    if target is None:
        return _fixed_contact(settings)
    uplink, stations = settings.is_uplink, settings.ground_stations()
    conditions = [
        station_sees_body(stations, settings.min_elevation_deg),
        path_clear_of_sun(settings.min_sun_angle_deg),
    ]
    if settings.lander is not None:
        lander = Lander(settings.lander.latitude_deg, settings.lander.longitude_deg)
        conditions.append(lander_sees_earth(lander, settings.min_elevation_deg))
    date = parse_utc(settings.date, "date", target)
    window = find_next_window(target, date, conditions, search_days=settings.search_days, uplink=uplink)
    elevations = [(elevation_deg(target, one, window.start, uplink=uplink), one) for one in stations]
    highest_deg, station = max(elevations, key=lambda one: one[0])
    path = find_line_of_sight(target, window.start, station, uplink=uplink)
    # Edges of a window are accurate to a second, so that the elevation there may be slightly too low.
    seen_deg = max(highest_deg, settings.min_elevation_deg)
    fading = predict_scintillation(path.sun_angle_deg, settings.budget.frequency_hz) if path.behind_sun else None
    return Contact(
        line_of_sight=_set_distance(path, settings.distance_km),
        window=window,
        station=station.name,
        elevation_deg=seen_deg,
        fading=None if fading is None or fading.regime == "none" else fading,
        background=Background(
            disc=EARTH if uplink else target.disc,
            disc_km=path.range_km,
            sun_angle_deg=path.receiver_sun_angle_deg,
            sun_km=path.receiver_sun_km,
        ),
        weather=_find_weather(settings, station, seen_deg),
    )


def _find_target(settings: DeepSpace) -> Target | None:
    """Return what the station looks at; None for a spacecraft at a given distance and elevation."""
    craft = settings.spacecraft
    if craft is None:
        return body_target(settings.body or "")
    if craft.tle is not None:
        return satellite_target(craft.name, craft.tle)
    if craft.kernel is not None and craft.target is not None:
        return kernel_target(craft.name, craft.kernel, craft.target)
    return None


def _fixed_contact(settings: DeepSpace) -> Contact:
    """Return the contact with a spacecraft at a given distance and elevation: no ephemeris, no Sun, no body."""
    craft, distance_km = settings.spacecraft, settings.distance_km
    if craft is None or craft.elevation_deg is None or distance_km is None:
        raise AssertionError("the settings are checked when they are read")
    date = parse_utc(settings.date)
    light_time_s = distance_km / SPEED_OF_LIGHT_KM_S
    path = LineOfSight(
        body=craft.name,
        departure=date,
        arrival=date + timedelta(seconds=light_time_s),
        range_km=distance_km,
        light_time_s=light_time_s,
        sun_angle_deg=180.0,
        behind_sun=False,
        receiver_sun_angle_deg=180.0,
        receiver_sun_km=1.0,
        uplink=settings.is_uplink,
    )
    station = settings.ground_stations()[0]
    return Contact(
        line_of_sight=path,
        window=Window(date, date + timedelta(days=settings.search_days)),
        station=station.name,
        elevation_deg=craft.elevation_deg,
        fading=None,
        background=Background(EARTH, distance_km) if settings.is_uplink else Background(),
        weather=_find_weather(settings, station, craft.elevation_deg),
    )


def _find_weather(settings: DeepSpace, station: Station, seen_deg: float) -> Weather | None:
    if settings.weather is None:
        return None
    budget, uplink = settings.budget, settings.is_uplink
    antenna = budget.transmit_antenna if uplink else budget.receive_antenna
    efficiency = budget.transmit_efficiency if uplink else budget.receive_efficiency
    return predict_weather(settings.weather, station, antenna, efficiency, seen_deg)


def _set_distance(path: LineOfSight, distance_km: float | None) -> LineOfSight:
    if distance_km is None:
        return path
    light_time_s = distance_km / SPEED_OF_LIGHT_KM_S
    arrival = path.departure + timedelta(seconds=light_time_s)
    return replace(path, range_km=distance_km, light_time_s=light_time_s, arrival=arrival)


def compute_budget(
    settings: DeepSpace,
    contact: Contact,
    *,
    symbol_rate_hz: float,
    occupied_share: float = 1.0,
    bits_per_symbol: float = 1.0,
) -> LinkBudget:
    """Return the link budget of a contact at this symbol rate and this number of information bits per symbol.

    Under OFDM ``symbol_rate_hz`` counts samples, and ``occupied_share`` of the carriers shares all of the power: Es is
    the energy of a used carrier over one OFDM symbol, C / (symbol rate · occupied share).
    """
    used_hz = symbol_rate_hz * occupied_share
    rates = {"symbol_rate_hz": used_hz, "data_rate_bps": used_hz * bits_per_symbol}
    return compute_link_budget(
        settings.budget.model_copy(update=rates),
        range_km=contact.line_of_sight.range_km,
        elevation_deg=contact.elevation_deg,
        background=contact.background,
        weather=contact.weather,
        uplink=settings.is_uplink,
    )


def add_window_end(outages: Outages | None, contact: Contact) -> Outages:
    """Return ``outages`` plus the outage that begins at the receiver when the window closes."""
    closes_s = contact.window.duration_s + contact.line_of_sight.light_time_s
    given = outages or Outages()
    before = tuple((start_s, min(end_s, closes_s)) for start_s, end_s in given.windows_s if start_s < closes_s)
    return given.model_copy(update={"windows_s": (*before, (closes_s, MAX_TIME_S))})
