"""Losses in the troposphere by the models of ITU-R, computed by the package itur.

Gases: P.676. Rain: P.618, P.837, P.838 and P.839. Clouds: P.840. Scintillation: P.618 and P.453. They are statistics of
an average year: the loss is exceeded in a given percentage of the time.
"""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

from pydantic import Field

from channel.checks import Settings
from shared.errors import ConfigError, SetupError

if TYPE_CHECKING:
    from channel.deep_space.antenna import Antenna
    from channel.deep_space.bodies import Station

MAX_FREQUENCY_HZ: Final = 55e9  # of P.618
# Of time in which the rain rate of P.618 is exceeded, .01 %. At exactly .01 itur reads an interpolated map; a hair
# beside it solves P.837 for the place, as the ITU's validation sheets do.
_RAIN_PERCENT: Final = 0.01000000001
_TILT_DEG: Final = {"circular": 45.0, "horizontal": 0.0, "vertical": 90.0}


class WeatherSettings(Settings):
    """The losses are exceeded in ``exceeded_percent`` of an average year (P.618: .001 to 50)."""

    exceeded_percent: Annotated[float, Field(ge=0.001, le=50)]
    polarisation: Literal["circular", "horizontal", "vertical"] = "circular"


@dataclass(frozen=True, slots=True)
class Weather:
    """Losses along the path in dB, each exceeded in ``exceeded_percent`` of the time."""

    exceeded_percent: float
    gas_db: float
    cloud_db: float
    rain_db: float
    scintillation_db: float

    @property
    def fading_db(self) -> float:
        """Rain, clouds and scintillation together: √((rain + clouds)² + scintillation²), P.618 equation (64)."""
        return math.hypot(self.rain_db + self.cloud_db, self.scintillation_db)

    @property
    def absorption_db(self) -> float:
        """What is absorbed and therefore radiates: gases, clouds and rain."""
        return self.gas_db + self.cloud_db + self.rain_db

    def describe_fading(self) -> str:
        """Return how the loss of rain, clouds and scintillation comes about."""
        return (
            f"√((rain {self.rain_db:.3f} + clouds {self.cloud_db:.3f})² + scintillation {self.scintillation_db:.3f}²), "
            f"exceeded {self.exceeded_percent:g} % of the time, ITU-R P.618"
        )


@lru_cache(maxsize=64)
def predict_weather(
    settings: WeatherSettings, station: Station, antenna: Antenna, efficiency: float, elevation_deg: float
) -> Weather:
    """Return the losses at ``station`` towards ``elevation_deg`` for a dish of this size there.

    Raises:
        ConfigError: the frequency is above 55 GHz.
        SetupError: the package itur is not installed.
    """
    if antenna.frequency_hz > MAX_FREQUENCY_HZ:
        raise ConfigError(
            f"deep_space.weather: ITU-R P.618 ends at {MAX_FREQUENCY_HZ / 1e9:g} GHz, budget.frequency_hz is "
            f"{antenna.frequency_hz / 1e9:g} GHz: leave weather out and give zenith_attenuation_db and rain_loss_db"
        )
    itur, place = _import_itur(), (station.latitude_deg, station.longitude_deg)
    parts = itur.atmospheric_attenuation_slant_path(
        *place,
        antenna.frequency_hz / 1e9,
        elevation_deg,
        settings.exceeded_percent,
        antenna.diameter_m,
        hs=station.height_m / 1000,
        R001=itur.models.itu837.rainfall_rate(*place, _RAIN_PERCENT),
        eta=efficiency,
        tau=_TILT_DEG[settings.polarisation],
        return_contributions=True,
    )
    gas_db, cloud_db, rain_db, scintillation_db = (float(part.value) for part in parts[:4])
    return Weather(settings.exceeded_percent, gas_db, cloud_db, rain_db, scintillation_db)


def _import_itur() -> Any:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # invalid escapes in its documentation
            import itur  # noqa: PLC0415 - optional, and takes seconds
    except ImportError:
        raise SetupError("deep_space.weather: the package itur is not installed: pip install itur") from None
    return itur
