"""Link budget of a deep-space link: from transmit power and range to Eb/N0 and Es/N0, line by line.

Logarithmic lines add up: gains are positive, losses negative. Antennas are dishes of ``channel.deep_space.antenna``:
gain, beam and sidelobes follow from size, efficiency, edge taper and frequency.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Self

from pydantic import Field, model_validator

from channel.checks import Settings, check_in_range, check_positive
from channel.constants import SPEED_OF_LIGHT_M_S
from channel.deep_space.antenna import Antenna, dish_diameter_m, dish_gain_dbi
from channel.deep_space.bodies import EARTH, find_body
from channel.deep_space.noise import COSMIC_BACKGROUND_K, MEDIUM_TEMPERATURE_K, SUN_DIAMETER_KM, quiet_sun_k

if TYPE_CHECKING:
    from channel.deep_space.bodies import Body
    from channel.deep_space.weather import Weather

BOLTZMANN_J_K = 1.380649e-23  # exact, SI 2019
# The flat atmosphere of the cosecant law, ITU-R P.676 annex 2, holds from here up.
MIN_ELEVATION_DEG = 5.0
MAX_RANGE_KM = 1e12

Decibel = Annotated[float, Field(ge=0, le=100)]
GainDbi = Annotated[float, Field(ge=0, le=120)]
DishM = Annotated[float, Field(gt=0, le=1000)]
Efficiency = Annotated[float, Field(gt=0, le=1)]
EdgeTaperDb = Annotated[float, Field(ge=0, le=40)]
PointingErrorDeg = Annotated[float, Field(ge=0, le=90)]


class LinkBudgetConfig(Settings):
    """Parameters of a link: both ends, and the losses between them.

    An antenna is a dish by its diameter and aperture efficiency; its gain follows the frequency. A given gain replaces
    them, and the beam is then that of the dish that has this gain. The defaults are a Mars orbiter's X-band link
    (100 W, 3 m antenna; NASA's page on MRO's communications) into a 34 m antenna with the gain of 68 dBi and, together
    with the sky, the 28 K at 30° that Mars Pathfinder's budget gives. The zenith attenuation is the one that makes the
    atmosphere radiate 5.1 K at 30°, which weather at Goldstone stays below 80 % of the time ("Models of weather effects
    on noise temperature and attenuation for Ka- and X-band telemetry performance analysis"). ``sun_temperature_k`` is
    the brightness of the Sun's disc, None for that of the quiet Sun. Build it with ``shared.validation.checked``.
    """

    frequency_hz: Annotated[float, Field(ge=1e8, le=1e11)] = 8.42e9
    transmit_power_w: Annotated[float, Field(gt=0, le=1e6)] = 100.0
    transmit_loss_db: Decibel = 0.0
    transmit_dish_m: DishM = 3.0
    transmit_efficiency: Efficiency = 0.6
    transmit_gain_dbi: GainDbi | None = None
    transmit_edge_taper_db: EdgeTaperDb = 10.0
    transmit_pointing_error_deg: PointingErrorDeg = 0.0
    zenith_attenuation_db: Decibel = 0.041
    rain_loss_db: Decibel = 0.0
    polarisation_loss_db: Decibel = 0.0
    receive_dish_m: DishM = 34.0
    receive_efficiency: Efficiency = 0.7
    receive_gain_dbi: GainDbi | None = None
    receive_edge_taper_db: EdgeTaperDb = 10.0
    receive_pointing_error_deg: PointingErrorDeg = 0.0
    receiver_temperature_k: Annotated[float, Field(gt=0, le=1e4)] = 20.0
    sun_temperature_k: Annotated[float, Field(ge=0, le=1e8)] | None = None
    extra_noise_k: Annotated[float, Field(ge=0, le=1e6)] = 0.0
    implementation_loss_db: Decibel = 0.0
    data_rate_bps: Annotated[float, Field(gt=0, le=1e12)] = 5e5
    symbol_rate_hz: Annotated[float, Field(gt=0, le=1e12)] = 1e6

    @model_validator(mode="after")
    def _check_antennas(self) -> Self:
        for end in ("transmit", "receive"):
            gain, dish = f"{end}_gain_dbi", f"{end}_dish_m"
            if getattr(self, gain) is not None and {dish, f"{end}_efficiency"} & self.model_fields_set:
                raise ValueError(
                    f"{gain}: leave it out, or leave {dish} and {end}_efficiency out: the gain follows from them"
                )
            if self._antenna(end).gain_dbi < 0:
                raise ValueError(
                    f"{dish} is so small at {self.frequency_hz:g} Hz that its gain is below 0 dBi: give {gain}"
                )
        return self

    @property
    def transmit_antenna(self) -> Antenna:
        """The antenna that sends."""
        return self._antenna("transmit")

    @property
    def receive_antenna(self) -> Antenna:
        """The antenna that receives."""
        return self._antenna("receive")

    def _antenna(self, end: str) -> Antenna:
        efficiency, gain_dbi = getattr(self, f"{end}_efficiency"), getattr(self, f"{end}_gain_dbi")
        dish_m, taper_db = getattr(self, f"{end}_dish_m"), getattr(self, f"{end}_edge_taper_db")
        if gain_dbi is None:
            return Antenna(dish_m, self.frequency_hz, dish_gain_dbi(dish_m, efficiency, self.frequency_hz), taper_db)
        return Antenna(dish_diameter_m(gain_dbi, efficiency, self.frequency_hz), self.frequency_hz, gain_dbi, taper_db)


@dataclass(frozen=True, slots=True)
class Background:
    """What the receiving antenna sees besides the signal.

    ``disc`` is the body behind the sender and ``disc_km`` its distance, the true one whatever range the link has. The
    Sun is ``sun_angle_deg`` from the sender and ``sun_km`` away; None: no Sun.
    """

    disc: Body | None = None
    disc_km: float = 1.0
    sun_angle_deg: float | None = None
    sun_km: float = 149_597_870.7


@dataclass(frozen=True, slots=True)
class BudgetLine:
    """One line: ``how`` states in words or as a formula where the value comes from."""

    name: str
    value: float
    unit: str
    how: str


@dataclass(frozen=True, slots=True)
class LinkBudget:
    """The lines in the order in which they add up."""

    lines: tuple[BudgetLine, ...]

    def __getitem__(self, name: str) -> float:
        """The value of the line called ``name``."""
        return next(line.value for line in self.lines if line.name == name)

    @property
    def es_n0_db(self) -> float:
        """Es/N0 in dB: energy per complex symbol over noise density."""
        return self["Es/N0"]

    @property
    def eb_n0_db(self) -> float:
        """Eb/N0 in dB: energy per information bit over noise density."""
        return self["Eb/N0"]


def compute_link_budget(
    config: LinkBudgetConfig,
    *,
    range_km: float,
    elevation_deg: float,
    body: str | None = None,
    background: Background | None = None,
    weather: Weather | None = None,
    uplink: bool = False,
) -> LinkBudget:
    """Return the budget of a link over ``range_km`` between a station and what it sees at ``elevation_deg``.

    Give ``background``, or ``body`` for a body at that range and no Sun. ``weather`` replaces the losses of atmosphere
    and rain. The receiver of an ``uplink`` is in space and has the Earth as background.

    Raises:
        UnknownNameError: there is no such body.
        ConfigError: the range is outside 1 to 1e12 km, or the elevation outside 5° to 90°.
    """
    check_in_range("range_km", range_km, 1, MAX_RANGE_KM)
    check_in_range("elevation_deg", elevation_deg, MIN_ELEVATION_DEG, 90)
    if background is None:
        background = Background(find_body(body) if body else EARTH if uplink else None, range_km)
    transmit = _transmit_lines(config)
    path = _path_lines(config, range_km, elevation_deg, weather)
    received = _total("received power", "dBW", [transmit[-1], *path], "sum of EIRP and the lines below it")
    lossy_db = 0.0 if uplink else _radiating_loss_db(config, elevation_deg, weather)
    noise = _noise_lines(config, background, lossy_db)
    system_db_k = 10 * math.log10(noise[-1].value)
    boltzmann_db = 10 * math.log10(BOLTZMANN_J_K)
    c_n0_db_hz = received.value - system_db_k - boltzmann_db
    return LinkBudget(
        (
            *transmit,
            *path,
            received,
            *noise,
            BudgetLine(
                "G/T", config.receive_antenna.gain_dbi - system_db_k, "dB/K", "receive antenna gain - 10 log10(Tsys)"
            ),
            BudgetLine("Boltzmann constant", boltzmann_db, "dBW/K/Hz", "10 log10(k)"),
            BudgetLine("C/N0", c_n0_db_hz, "dBHz", "received power - 10 log10(Tsys) - Boltzmann constant"),
            *_rate_lines(config, c_n0_db_hz),
        )
    )


def markdown_table(budget: LinkBudget) -> str:
    """Return the budget as a Markdown table, one row per line of the budget."""
    rows = [f"| {line.name} | {line.value:z.3f} | {line.unit} | {line.how} |" for line in budget.lines]
    return "\n".join(["| line | value | unit | how |", "| --- | ---: | --- | --- |", *rows])


def free_space_loss_db(range_km: float, frequency_hz: float) -> float:
    """Return 20 log10(4π d f / c), a positive number (ITU-R P.525).

    Raises:
        ConfigError: the range or frequency is not positive and finite.
    """
    wavelength_m = SPEED_OF_LIGHT_M_S / check_positive("frequency_hz", frequency_hz)
    return 20 * math.log10(4 * math.pi * check_positive("range_km", range_km) * 1e3 / wavelength_m)


def _transmit_lines(config: LinkBudgetConfig) -> list[BudgetLine]:
    lines = [
        BudgetLine(
            "transmit power",
            10 * math.log10(config.transmit_power_w),
            "dBW",
            f"10 log10({config.transmit_power_w:g} W)",
        ),
        BudgetLine("transmit losses", -config.transmit_loss_db, "dB", "given: amplifier to antenna"),
        _gain_line("transmit", config.transmit_antenna, config.transmit_gain_dbi, config.transmit_efficiency),
    ]
    return [*lines, _total("EIRP", "dBW", lines, "sum of the lines above")]


def _path_lines(
    config: LinkBudgetConfig, range_km: float, elevation_deg: float, weather: Weather | None
) -> list[BudgetLine]:
    sent, received = config.transmit_antenna, config.receive_antenna
    return [
        _pointing_line("transmit", sent, config.transmit_pointing_error_deg),
        BudgetLine(
            "free-space loss",
            -free_space_loss_db(range_km, config.frequency_hz),
            "dB",
            f"20 log10(4π d f / c), d = {range_km:,.0f} km, f = {config.frequency_hz / 1e9:g} GHz",
        ),
        *_air_lines(config, elevation_deg, weather),
        BudgetLine("polarisation loss", -config.polarisation_loss_db, "dB", "given"),
        _pointing_line("receive", received, config.receive_pointing_error_deg),
        _gain_line("receive", received, config.receive_gain_dbi, config.receive_efficiency),
    ]


def _air_lines(config: LinkBudgetConfig, elevation_deg: float, weather: Weather | None) -> list[BudgetLine]:
    if weather is not None:
        return [
            BudgetLine("atmospheric loss", -weather.gas_db, "dB", "gases, ITU-R P.676"),
            BudgetLine("rain loss", -weather.fading_db, "dB", weather.describe_fading()),
        ]
    how = f"{config.zenith_attenuation_db:g} dB at zenith / sin({elevation_deg:.1f}°)"
    return [
        BudgetLine("atmospheric loss", -_atmospheric_loss_db(config, elevation_deg), "dB", how),
        BudgetLine("rain loss", -config.rain_loss_db, "dB", "given: along the path"),
    ]


def _noise_lines(config: LinkBudgetConfig, background: Background, loss_db: float) -> list[BudgetLine]:
    """Return the parts of the system noise temperature and, last, their sum; sky noise as in ITU-R P.618-13, section 3.

    Noise from beyond the atmosphere is attenuated by its loss. A disc of brightness T adds T · ∫ G dΩ / (4π).
    """
    passed = 10 ** (-loss_db / 10)
    parts = [
        BudgetLine("receiver noise", config.receiver_temperature_k, "K", "given: receiver and antenna"),
        BudgetLine(
            "atmosphere noise",
            MEDIUM_TEMPERATURE_K * (1 - passed),
            "K",
            f"{MEDIUM_TEMPERATURE_K:g} K · (1 - 1/L), L = atmosphere and rain",
        ),
        BudgetLine("cosmic background", COSMIC_BACKGROUND_K * passed, "K", f"{COSMIC_BACKGROUND_K:g} K / L"),
        _body_line(config.receive_antenna, background, passed),
        _sun_line(config, background, passed),
        BudgetLine("other noise", config.extra_noise_k, "K", "given"),
    ]
    return [*parts, _total("system noise temperature", "K", parts, "sum of the six lines above")]


def _body_line(antenna: Antenna, background: Background, passed: float) -> BudgetLine:
    disc = background.disc
    if disc is None:
        return BudgetLine("body noise", 0.0, "K", "no body behind the sender")
    diameter_deg = _disc_deg(disc.diameter_km, background.disc_km)
    share = antenna.disc_share(0.0, diameter_deg)
    how = f"{disc.name} of {disc.brightness_k:g} K and {diameter_deg:.3g}° gives {100 * share:.3g} % of the power, / L"
    return BudgetLine("body noise", disc.brightness_k * share * passed, "K", how)


def _sun_line(config: LinkBudgetConfig, background: Background, passed: float) -> BudgetLine:
    angle_deg = background.sun_angle_deg
    if angle_deg is None:
        return BudgetLine("Sun noise", 0.0, "K", "no Sun")
    brightness_k = config.sun_temperature_k
    if brightness_k is None:
        brightness_k = quiet_sun_k(config.frequency_hz)
    share = config.receive_antenna.disc_share(angle_deg, _disc_deg(SUN_DIAMETER_KM, background.sun_km))
    how = f"{brightness_k:,.0f} K at {angle_deg:.2f}° from the beam gives {100 * share:.3g} % of the power, / L"
    return BudgetLine("Sun noise", brightness_k * share * passed, "K", how)


def _disc_deg(diameter_km: float, range_km: float) -> float:
    return 2 * math.degrees(math.asin(min(1.0, diameter_km / 2 / range_km)))


def _rate_lines(config: LinkBudgetConfig, c_n0_db_hz: float) -> list[BudgetLine]:
    bits_db_hz, symbols_db_hz = 10 * math.log10(config.data_rate_bps), 10 * math.log10(config.symbol_rate_hz)
    usable_db_hz = c_n0_db_hz - config.implementation_loss_db
    return [
        BudgetLine("implementation loss", -config.implementation_loss_db, "dB", "given: demodulator"),
        BudgetLine("data rate", bits_db_hz, "dBHz", f"10 log10({config.data_rate_bps:g} bit/s)"),
        BudgetLine("Eb/N0", usable_db_hz - bits_db_hz, "dB", "C/N0 + implementation loss - data rate"),
        BudgetLine("symbol rate", symbols_db_hz, "dBHz", f"10 log10({config.symbol_rate_hz:g} symbols/s)"),
        BudgetLine("Es/N0", usable_db_hz - symbols_db_hz, "dB", "C/N0 + implementation loss - symbol rate"),
    ]


def _gain_line(end: str, antenna: Antenna, given_dbi: float | None, efficiency: float) -> BudgetLine:
    how = "given" if given_dbi is not None else f"10 log10({efficiency:g} · (π · {antenna.diameter_m:g} m · f / c)²)"
    return BudgetLine(f"{end} antenna gain", antenna.gain_dbi, "dBi", how)


def _pointing_line(end: str, antenna: Antenna, error_deg: float) -> BudgetLine:
    how = f"{error_deg:g}° off a beam of {antenna.beamwidth_deg:.3g}°"
    return BudgetLine(f"{end} pointing loss", -antenna.pointing_loss_db(error_deg), "dB", how)


def _radiating_loss_db(config: LinkBudgetConfig, elevation_deg: float, weather: Weather | None) -> float:
    """Return the loss of what also radiates: gases, clouds and rain, not scintillation."""
    if weather is not None:
        return weather.absorption_db
    return _atmospheric_loss_db(config, elevation_deg) + config.rain_loss_db


def _atmospheric_loss_db(config: LinkBudgetConfig, elevation_deg: float) -> float:
    return config.zenith_attenuation_db / math.sin(math.radians(elevation_deg))


def _total(name: str, unit: str, lines: list[BudgetLine], how: str) -> BudgetLine:
    return BudgetLine(name, math.fsum(line.value for line in lines), unit, how)
