"""A deep-space link from a body and a date: when it opens, how long the signal takes, how strong and steady it is."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BeforeValidator, Field

from channel.checks import Settings
from channel.deep_space.bodies import STATIONS, Lander
from channel.deep_space.geometry import SPEED_OF_LIGHT_KM_S, Sight, elevation_deg, sight, utc
from channel.deep_space.link_budget import MAX_RANGE_KM, MIN_ELEVATION_DEG, LinkBudget, LinkBudgetConfig, link_budget
from channel.deep_space.scintillation import MAX_FIT_ANGLE_DEG, Scintillation, scintillation
from channel.deep_space.windows import Window, clear_of_sun, earth_over, next_window, over_stations
from channel.propagation.impairments import MAX_TIME_S, Outages
from shared.errors import ConfigError

if TYPE_CHECKING:
    from datetime import datetime

_SUN_DISC_DEG = 0.27
_FROM_THE_PROFILE = ("symbol_rate_hz", "data_rate_bps")


def _without_rates(value: Any) -> Any:
    """Refuse rates in the budget: they follow from the profile's own."""
    for name in _FROM_THE_PROFILE:
        if isinstance(value, dict) and name in value:
            raise ConfigError(
                f"deep_space.budget.{name}: leave it out; it follows from the profile's symbol_rate_hz and mcs"
            )
    return value


class Place(Settings):
    """Where a lander stands on Mars: planetocentric degrees north and east."""

    latitude_deg: Annotated[float, Field(ge=-90, le=90)]
    longitude_deg: Annotated[float, Field(ge=-360, le=360)]


class DeepSpace(Settings):
    """The ends of a downlink and the date (UTC) from which it waits for a window.

    A window is open while one of ``stations`` sees the body at ``min_elevation_deg``, the path keeps
    ``min_sun_angle_deg`` from a Sun in front (the disc alone takes 0.27°), and the lander, if there is one, sees the
    Earth at that elevation too. ``distance_km`` goes over the ephemeris' range, and so over the light time; windows,
    elevation and Sun angle stay those of the body. ``budget`` holds all of ``LinkBudgetConfig`` but its rates.
    """

    body: str
    date: str
    distance_km: Annotated[float, Field(ge=1, le=MAX_RANGE_KM)] | None = None
    stations: Annotated[tuple[str, ...], Field(strict=False, min_length=1)] = tuple(STATIONS)
    min_elevation_deg: Annotated[float, Field(ge=MIN_ELEVATION_DEG, le=90)] = 10.0
    min_sun_angle_deg: Annotated[float, Field(ge=0, le=90)] = _SUN_DISC_DEG
    lander: Place | None = None
    search_days: Annotated[float, Field(ge=0.01, le=3660)] = 60.0
    budget: Annotated[LinkBudgetConfig, BeforeValidator(_without_rates)] = LinkBudgetConfig()


@dataclass(frozen=True, slots=True)
class Contact:
    """What the link is like when the first signal leaves, at ``window.start``.

    ``station`` sees the body highest, at ``elevation_deg``. ``fading`` is None where the path does not cross the corona
    within 5° of the Sun.
    """

    sight: Sight
    window: Window
    station: str
    elevation_deg: float
    fading: Scintillation | None

    @property
    def departure(self) -> datetime:
        """When the first signal leaves, UTC."""
        return self.window.start


def contact(settings: DeepSpace) -> Contact:
    """Return the first contact from the settings' date on.

    Raises:
        UnknownNameError: no such body or station.
        ConfigError: a date outside the ephemeris, a lander elsewhere than on Mars, or a frequency at which the
            scintillation near the Sun is not known.
        InputError: no window opens.
    """
    if settings.lander is not None and settings.body != "mars":
        raise ConfigError(f"deep_space.lander: there is none on {settings.body}; leave it out or take body mars")
    conditions = [
        over_stations(settings.stations, settings.min_elevation_deg),
        clear_of_sun(settings.min_sun_angle_deg),
    ]
    if settings.lander is not None:
        lander = Lander(settings.lander.latitude_deg, settings.lander.longitude_deg)
        conditions.append(earth_over(lander, settings.min_elevation_deg))
    date = utc(settings.date, "date")
    window = next_window(settings.body, date, conditions, search_days=settings.search_days)
    seen = _at_distance(sight(settings.body, window.start), settings.distance_km)
    heights_deg = {name: elevation_deg(settings.body, name, window.start) for name in settings.stations}
    station = max(heights_deg, key=heights_deg.__getitem__)
    fades = seen.behind_sun and seen.sun_angle_deg <= MAX_FIT_ANGLE_DEG
    return Contact(
        sight=seen,
        window=window,
        station=station,
        elevation_deg=max(heights_deg[station], settings.min_elevation_deg),  # edges are good to a second only
        fading=scintillation(seen.sun_angle_deg, settings.budget.frequency_hz) if fades else None,
    )


def _at_distance(seen: Sight, distance_km: float | None) -> Sight:
    if distance_km is None:
        return seen
    light_time_s = distance_km / SPEED_OF_LIGHT_KM_S
    arrival = seen.departure + timedelta(seconds=light_time_s)
    return replace(seen, range_km=distance_km, light_time_s=light_time_s, arrival=arrival)


def budget_of(
    settings: DeepSpace, found: Contact, *, symbol_rate_hz: float, bits_per_symbol: float = 1.0
) -> LinkBudget:
    """Return the link budget of a contact at this symbol rate and this number of information bits per symbol."""
    rates = {"symbol_rate_hz": symbol_rate_hz, "data_rate_bps": symbol_rate_hz * bits_per_symbol}
    return link_budget(
        settings.budget.model_copy(update=rates),
        body=settings.body,
        range_km=found.sight.range_km,
        elevation_deg=found.elevation_deg,
    )


def closing_with(outages: Outages | None, found: Contact) -> Outages:
    """Return ``outages`` and the one that begins when the window closes, at the receiver."""
    closes_s = found.window.duration_s + found.sight.light_time_s
    given = outages or Outages()
    before = tuple((start_s, min(end_s, closes_s)) for start_s, end_s in given.windows_s if start_s < closes_s)
    return given.model_copy(update={"windows_s": (*before, (closes_s, MAX_TIME_S))})
