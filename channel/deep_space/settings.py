"""Settings of a deep-space link: its two ends, the date, and the link budget."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal, Self

from pydantic import BeforeValidator, Field, field_validator, model_validator

from channel.checks import Settings
from channel.deep_space.bodies import STATIONS, Station, find_body, find_station
from channel.deep_space.geometry import parse_utc
from channel.deep_space.link_budget import MAX_RANGE_KM, MIN_ELEVATION_DEG, LinkBudgetConfig
from channel.deep_space.target import check_tle
from channel.deep_space.weather import WeatherSettings  # noqa: TC001 - pydantic reads it
from shared.errors import ConfigError
from shared.validation import validate

_SUN_DISC_DEG: Final = 0.27
_SET_BY_THE_PROFILE: Final = ("symbol_rate_hz", "data_rate_bps")
_MAX_HEIGHT_M: Final = 9000.0

Name = Annotated[str, Field(min_length=1, max_length=60, pattern=r"^[ -~]+$")]
Elevation = Annotated[float, Field(ge=MIN_ELEVATION_DEG, le=90)]


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


class StationSettings(Settings):
    """A ground station of one's own: geodetic coordinates (WGS 84), degrees north and east, metres of height."""

    name: Name = "own station"
    latitude_deg: Annotated[float, Field(ge=-90, le=90)]
    longitude_deg: Annotated[float, Field(ge=-360, le=360)]
    height_m: Annotated[float, Field(ge=-500, le=_MAX_HEIGHT_M)] = 0.0


def _read_station(value: Any) -> Any:
    return validate(StationSettings, value, "deep_space.stations") if isinstance(value, dict) else value


AnyStation = Annotated[str | StationSettings, BeforeValidator(_read_station)]


class SpacecraftSettings(Settings):
    """A spacecraft in place of a body, by one of three: a TLE, a target in a kernel, or an elevation at a distance.

    ``tle`` holds the two lines of an Earth satellite's elements. ``kernel`` is the path of an SPK file (.bsp) and
    ``target`` a NAIF number or name in it. With ``elevation_deg`` the spacecraft stands still at
    ``deep_space.distance_km``.
    """

    name: Name = "spacecraft"
    tle: Annotated[tuple[str, ...], Field(strict=False)] | None = None
    kernel: Annotated[str, Field(min_length=1, max_length=4096)] | None = None
    target: int | str | None = None
    elevation_deg: Elevation | None = None

    @field_validator("tle")
    @classmethod
    def _check_tle(cls, value: tuple[str, ...] | None) -> tuple[str, ...] | None:
        return None if value is None else check_tle(value)

    @model_validator(mode="after")
    def _check_one_position(self) -> Self:
        given = [name for name in ("tle", "kernel", "elevation_deg") if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(f"{' and '.join(given) or 'no position'}: give one of tle, kernel and elevation_deg")
        if (self.kernel is None) != (self.target is None):
            raise ValueError("kernel and target belong together: target is a NAIF number or name in the kernel")
        return self


class DeepSpace(Settings):
    """The two ends of a link, and the date (UTC) from which the next window is searched.

    The far end is a ``body`` or a ``spacecraft``. A window is open while one of ``stations`` sees it at
    ``min_elevation_deg``, the path keeps ``min_sun_angle_deg`` from a Sun in front of it (the disc has a radius of
    0.27°), and the lander, if there is one, sees the Earth at that elevation too. ``distance_km`` replaces the
    ephemeris' range, and with it the light time; windows, elevation, Sun angle and the noise of the body stay those of
    the ephemeris. ``budget`` has all settings of ``LinkBudgetConfig`` except its rates; its transmitter is the
    station's for an uplink. ``weather`` takes the losses of the troposphere from ITU-R's models.
    """

    direction: Literal["downlink", "uplink"] = "downlink"
    body: str | None = None
    spacecraft: SpacecraftSettings | None = None
    date: str
    distance_km: Annotated[float, Field(ge=1, le=MAX_RANGE_KM)] | None = None
    stations: Annotated[tuple[AnyStation, ...], Field(strict=False, min_length=1)] = tuple(STATIONS)
    min_elevation_deg: Elevation = 10.0
    min_sun_angle_deg: Annotated[float, Field(ge=0, le=90)] = _SUN_DISC_DEG
    lander: LanderSettings | None = None
    search_days: Annotated[float, Field(ge=0.01, le=3660)] = 60.0
    weather: WeatherSettings | None = None
    budget: Annotated[LinkBudgetConfig, BeforeValidator(_refuse_rates)] = LinkBudgetConfig()

    @model_validator(mode="after")
    def _check_far_end(self) -> Self:
        """Raise for a far end that is missing, named twice, unknown or incomplete, and for a wrong date or station."""
        if (self.body is None) == (self.spacecraft is None):
            raise ConfigError("deep_space: give one of body and spacecraft; set the other one to null")
        if self.body is not None:
            find_body(self.body)
            parse_utc(self.date)
        if self.spacecraft is not None and self.spacecraft.elevation_deg is not None and self.distance_km is None:
            raise ConfigError("deep_space.distance_km is missing: spacecraft.elevation_deg alone is no position")
        if self.lander is not None and self.body != "mars":
            where = f"on {self.body}" if self.body else "at a spacecraft"
            raise ConfigError(f"deep_space.lander: there is none {where}; leave it out or set body to mars")
        self.ground_stations()
        return self

    @model_validator(mode="after")
    def _check_losses(self) -> Self:
        both = {"zenith_attenuation_db", "rain_loss_db"} & self.budget.model_fields_set
        if self.weather is not None and both:
            raise ConfigError(
                f"deep_space.budget.{min(both)}: leave it out; deep_space.weather computes the losses of air and rain"
            )
        return self

    @property
    def is_uplink(self) -> bool:
        """Whether the station sends."""
        return self.direction == "uplink"

    def ground_stations(self) -> list[Station]:
        """Return the stations with their coordinates.

        Raises:
            UnknownNameError: there is no station of a name.
        """
        return [find_station(one) if isinstance(one, str) else Station(**one.model_dump()) for one in self.stations]
