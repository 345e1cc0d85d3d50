"""A deep-space contact from a body and a date: its window, light time, link budget and scintillation."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BeforeValidator, Field

from channel.checks import Settings
from channel.deep_space.bodies import STATIONS, Lander
from channel.deep_space.geometry import SPEED_OF_LIGHT_KM_S, LineOfSight, elevation_deg, find_line_of_sight, parse_utc
from channel.deep_space.link_budget import (
    MAX_RANGE_KM,
    MIN_ELEVATION_DEG,
    LinkBudget,
    LinkBudgetConfig,
    compute_link_budget,
)
from channel.deep_space.scintillation import MAX_FIT_ANGLE_DEG, Scintillation, predict_scintillation
from channel.deep_space.windows import Window, find_next_window, lander_sees_earth, path_clear_of_sun, station_sees_body
from channel.propagation.impairments import MAX_TIME_S, Outages
from shared.errors import ConfigError

if TYPE_CHECKING:
    from datetime import datetime

_SUN_DISC_DEG = 0.27
_SET_BY_THE_PROFILE = ("symbol_rate_hz", "data_rate_bps")


def _refuse_rates(value: Any) -> Any:
    """Refuse rates in the budget: they follow from the profile's own settings."""
    for name in _SET_BY_THE_PROFILE:
        if isinstance(value, dict) and name in value:
            raise ConfigError(
                f"deep_space.budget.{name}: leave it out; it follows from the profile's symbol_rate_hz and mcs"
            )
    return value


class LanderSettings(Settings):
    """Position of a lander on Mars: planetocentric degrees north and east."""

    latitude_deg: Annotated[float, Field(ge=-90, le=90)]
    longitude_deg: Annotated[float, Field(ge=-360, le=360)]


class DeepSpace(Settings):
    """The two ends of a downlink, and the date (UTC) from which the next window is searched.

    A window is open while one of ``stations`` sees the body at ``min_elevation_deg``, the path keeps
    ``min_sun_angle_deg`` from a Sun in front of the body (the disc has a radius of 0.27°), and the lander, if there is
    one, sees the Earth at that elevation too. ``distance_km`` replaces the ephemeris' range, and with it the light
    time; windows, elevation and Sun angle stay those of the body. ``budget`` has all settings of ``LinkBudgetConfig``
    except its rates.
    """

    body: str
    date: str
    distance_km: Annotated[float, Field(ge=1, le=MAX_RANGE_KM)] | None = None
    stations: Annotated[tuple[str, ...], Field(strict=False, min_length=1)] = tuple(STATIONS)
    min_elevation_deg: Annotated[float, Field(ge=MIN_ELEVATION_DEG, le=90)] = 10.0
    min_sun_angle_deg: Annotated[float, Field(ge=0, le=90)] = _SUN_DISC_DEG
    lander: LanderSettings | None = None
    search_days: Annotated[float, Field(ge=0.01, le=3660)] = 60.0
    budget: Annotated[LinkBudgetConfig, BeforeValidator(_refuse_rates)] = LinkBudgetConfig()


@dataclass(frozen=True, slots=True)
class Contact:
    """The link at the moment when the first signal leaves, at ``window.start``.

    ``station`` is the station that sees the body highest, at ``elevation_deg``. ``fading`` is None if the path does not
    cross the corona within 5° of the Sun.
    """

    line_of_sight: LineOfSight
    window: Window
    station: str
    elevation_deg: float
    fading: Scintillation | None

    @property
    def departure(self) -> datetime:
        """When the first signal leaves, UTC."""
        return self.window.start


def find_contact(settings: DeepSpace) -> Contact:
    """Return the first contact at or after the date in ``settings``.

    Raises:
        UnknownNameError: there is no such body or station.
        ConfigError: the date is outside the ephemeris, a lander is not on Mars, or the path is near the Sun and its
            scintillation at this frequency is not known.
        InputError: no window opens.
    """
    if settings.lander is not None and settings.body != "mars":
        raise ConfigError(f"deep_space.lander: there is none on {settings.body}; leave it out or set body to mars")
    conditions = [
        station_sees_body(settings.stations, settings.min_elevation_deg),
        path_clear_of_sun(settings.min_sun_angle_deg),
    ]
    if settings.lander is not None:
        lander = Lander(settings.lander.latitude_deg, settings.lander.longitude_deg)
        conditions.append(lander_sees_earth(lander, settings.min_elevation_deg))
    date = parse_utc(settings.date, "date")
    window = find_next_window(settings.body, date, conditions, search_days=settings.search_days)
    path = _set_distance(find_line_of_sight(settings.body, window.start), settings.distance_km)
    elevations_deg = {name: elevation_deg(settings.body, name, window.start) for name in settings.stations}
    station = max(elevations_deg, key=elevations_deg.__getitem__)
    fades = path.behind_sun and path.sun_angle_deg <= MAX_FIT_ANGLE_DEG
    return Contact(
        line_of_sight=path,
        window=window,
        station=station,
        # Edges of a window are accurate to a second, so that the elevation there may be slightly too low.
        elevation_deg=max(elevations_deg[station], settings.min_elevation_deg),
        fading=predict_scintillation(path.sun_angle_deg, settings.budget.frequency_hz) if fades else None,
    )


def _set_distance(path: LineOfSight, distance_km: float | None) -> LineOfSight:
    if distance_km is None:
        return path
    light_time_s = distance_km / SPEED_OF_LIGHT_KM_S
    arrival = path.departure + timedelta(seconds=light_time_s)
    return replace(path, range_km=distance_km, light_time_s=light_time_s, arrival=arrival)


def compute_budget(
    settings: DeepSpace, contact: Contact, *, symbol_rate_hz: float, bits_per_symbol: float = 1.0
) -> LinkBudget:
    """Return the link budget of a contact at this symbol rate and this number of information bits per symbol."""
    rates = {"symbol_rate_hz": symbol_rate_hz, "data_rate_bps": symbol_rate_hz * bits_per_symbol}
    return compute_link_budget(
        settings.budget.model_copy(update=rates),
        body=settings.body,
        range_km=contact.line_of_sight.range_km,
        elevation_deg=contact.elevation_deg,
    )


def add_window_end(outages: Outages | None, contact: Contact) -> Outages:
    """Return ``outages`` plus the outage that begins at the receiver when the window closes."""
    closes_s = contact.window.duration_s + contact.line_of_sight.light_time_s
    given = outages or Outages()
    before = tuple((start_s, min(end_s, closes_s)) for start_s, end_s in given.windows_s if start_s < closes_s)
    return given.model_copy(update={"windows_s": (*before, (closes_s, MAX_TIME_S))})
