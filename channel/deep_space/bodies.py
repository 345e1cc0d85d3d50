"""Bodies to send from, ground stations to receive at, and landers on Mars."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

from channel.checks import check_in_range
from shared.errors import UnknownNameError
from shared.validation import short_repr

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Body:
    """A body that signals are sent from.

    ``target`` is its name in JPL's ephemeris DE421. For Jupiter and Saturn that is the barycentre of planet and moons,
    because DE421 has no other. ``brightness_k`` is the radio brightness temperature of the disc, the hot body noise in
    ``link_budget``. ``diameter_km`` is the equatorial diameter of IAU WGCCRE 2009.
    """

    name: str
    target: str
    diameter_km: float
    brightness_k: float


@dataclass(frozen=True, slots=True)
class Station:
    """A ground station by geodetic coordinates (WGS 84): degrees north, degrees east, metres above the ellipsoid."""

    name: str
    latitude_deg: float
    longitude_deg: float
    height_m: float


@dataclass(frozen=True, slots=True)
class Lander:
    """A lander on Mars, by planetocentric degrees north and degrees east.

    Raises:
        ConfigError: the latitude is outside ±90°, the longitude outside ±360°, or either is not finite.
    """

    latitude_deg: float
    longitude_deg: float

    def __post_init__(self) -> None:
        check_in_range("latitude_deg", self.latitude_deg, -90, 90)
        check_in_range("longitude_deg", self.longitude_deg, -360, 360)


# Brightness temperatures: Mars, Jupiter (radiation belts included) and Saturn at 6 cm, measured in 1965 and 1966
# ("Planetary observations at a wavelength of 6 cm"); the Moon's is the full Moon at 23 GHz ("2-D Lunar Microwave
# Radiance Observations From the NOAA-20 ATMS", 2020), an upper bound at X-band because it rises with frequency.
BODIES: Mapping[str, Body] = MappingProxyType(
    {
        body.name: body
        for body in (
            Body("moon", "moon", 3474.8, 240.0),
            Body("mars", "mars", 6792.4, 190.0),
            Body("jupiter", "jupiter barycenter", 142984.0, 291.0),
            Body("saturn", "saturn barycenter", 120536.0, 190.0),
        )
    }
)

# The background of an uplink. Seen from a geostationary orbit the Earth has 60 to 240 K, depending on frequency and on
# the share of sea (Njoku and Smith, "Microwave antenna temperature of the Earth from geostationary orbit", 1985).
EARTH = Body("earth", "earth", 12756.3, 240.0)

# The 70 m antennas DSS-14, DSS-63 and DSS-43 represent their complexes of the Deep Space Network (DSN). Geodetic
# coordinates from the Cartesian ones in J. Astron. Space Sci. 40(2), 79 (2023), table 1, after DSN 810-005, module 301.
STATIONS: Mapping[str, Station] = MappingProxyType(
    {
        station.name: station
        for station in (
            Station("goldstone", 35.4259009, -116.8895382, 1001.4),
            Station("madrid", 40.4312097, -4.2480085, 864.8),
            Station("canberra", -35.4024242, 148.9812673, 688.9),
        )
    }
)


def find_body(name: str) -> Body:
    """Return the body called ``name``.

    Raises:
        UnknownNameError: there is none; the message lists the known names.
    """
    if name not in BODIES:
        raise UnknownNameError(f"body = {short_repr(name)}: must be one of {', '.join(BODIES)}")
    return BODIES[name]


def find_station(name: str) -> Station:
    """Return the station called ``name``.

    Raises:
        UnknownNameError: there is none; the message lists the known names.
    """
    if name not in STATIONS:
        raise UnknownNameError(f"station = {short_repr(name)}: must be one of {', '.join(STATIONS)}")
    return STATIONS[name]
