"""Link budget of a deep-space downlink: from transmit power and range to Eb/N0 and Es/N0, line by line.

Logarithmic lines add up: gains are positive, losses negative. Antennas are Gaussian beams with their gain G and solid
angle 4π / G. Half-power beamwidth, pointing loss and the noise of a body in the beam follow from G.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from channel.checks import Settings, check_in_range, check_positive
from channel.constants import SPEED_OF_LIGHT_M_S
from channel.deep_space.bodies import Body, find_body

BOLTZMANN_J_K = 1.380649e-23  # exact, SI 2019
COSMIC_BACKGROUND_K = 2.725  # Stelzried, Freiley and Reid, "System Noise Concepts with DSN Applications", 2.1
MEDIUM_TEMPERATURE_K = 275.0  # mean radiating temperature of atmosphere and rain, ITU-R P.618-13, section 3
# The flat atmosphere of the cosecant law, ITU-R P.676 annex 2, holds from here up.
MIN_ELEVATION_DEG = 5.0
MAX_RANGE_KM = 1e12

Decibel = Annotated[float, Field(ge=0, le=100)]


class LinkBudgetConfig(Settings):
    """Parameters of a downlink: both ends, and the losses between them.

    The defaults are a Mars orbiter's X-band link (100 W, 3 m antenna; NASA's page on MRO's communications) into a 34 m
    antenna with the gain and, together with the sky, the 28 K at 30° that Mars Pathfinder's budget gives. The zenith
    attenuation is the one that makes the atmosphere radiate 5.1 K at 30°, which weather at Goldstone stays below 80 %
    of the time ("Models of weather effects on noise temperature and attenuation for Ka- and X-band telemetry
    performance analysis"). Build it with ``shared.validation.checked``.
    """

    frequency_hz: Annotated[float, Field(ge=1e8, le=1e11)] = 8.42e9
    transmit_power_w: Annotated[float, Field(gt=0, le=1e6)] = 100.0
    transmit_loss_db: Decibel = 0.0
    transmit_gain_dbi: Annotated[float, Field(ge=0, le=120)] = 46.2
    transmit_pointing_error_deg: Annotated[float, Field(ge=0, le=90)] = 0.0
    zenith_attenuation_db: Decibel = 0.041
    rain_loss_db: Decibel = 0.0
    polarisation_loss_db: Decibel = 0.0
    receive_gain_dbi: Annotated[float, Field(ge=0, le=120)] = 68.0
    receive_pointing_error_deg: Annotated[float, Field(ge=0, le=90)] = 0.0
    receiver_temperature_k: Annotated[float, Field(gt=0, le=1e4)] = 20.0
    extra_noise_k: Annotated[float, Field(ge=0, le=1e6)] = 0.0
    implementation_loss_db: Decibel = 0.0
    data_rate_bps: Annotated[float, Field(gt=0, le=1e12)] = 5e5
    symbol_rate_hz: Annotated[float, Field(gt=0, le=1e12)] = 1e6


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


def compute_link_budget(config: LinkBudgetConfig, *, body: str, range_km: float, elevation_deg: float) -> LinkBudget:
    """Return the budget of a link from ``body`` over ``range_km`` to a station that sees it at ``elevation_deg``.

    Raises:
        UnknownNameError: there is no such body.
        ConfigError: the range is outside 1 to 1e12 km, or the elevation outside 5° to 90°.
    """
    target = find_body(body)
    check_in_range("range_km", range_km, 1, MAX_RANGE_KM)
    check_in_range("elevation_deg", elevation_deg, MIN_ELEVATION_DEG, 90)
    transmit = _transmit_lines(config)
    path = _path_lines(config, range_km, elevation_deg)
    received = _total("received power", "dBW", [transmit[-1], *path], "sum of EIRP and the lines below it")
    noise = _noise_lines(config, target, range_km, elevation_deg)
    system_db_k = 10 * math.log10(noise[-1].value)
    boltzmann_db = 10 * math.log10(BOLTZMANN_J_K)
    c_n0_db_hz = received.value - system_db_k - boltzmann_db
    return LinkBudget(
        (
            *transmit,
            *path,
            received,
            *noise,
            BudgetLine("G/T", config.receive_gain_dbi - system_db_k, "dB/K", "receive antenna gain - 10 log10(Tsys)"),
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


def beamwidth_deg(gain_dbi: float) -> float:
    """Return the half-power beamwidth of a Gaussian beam of that gain, sqrt(16 ln 2 / G) in degrees."""
    return math.degrees(math.sqrt(16 * math.log(2) / 10 ** (gain_dbi / 10)))


def pointing_loss_db(gain_dbi: float, error_deg: float) -> float:
    """Return the loss of a Gaussian beam off its axis, 10 log10(e) · 4 ln 2 · (error / beamwidth)², about 12 (…)²."""
    return 10 / math.log(10) * 4 * math.log(2) * (error_deg / beamwidth_deg(gain_dbi)) ** 2


def _transmit_lines(config: LinkBudgetConfig) -> list[BudgetLine]:
    lines = [
        BudgetLine(
            "transmit power",
            10 * math.log10(config.transmit_power_w),
            "dBW",
            f"10 log10({config.transmit_power_w:g} W)",
        ),
        BudgetLine("transmit losses", -config.transmit_loss_db, "dB", "given: amplifier to antenna"),
        BudgetLine("transmit antenna gain", config.transmit_gain_dbi, "dBi", "given"),
    ]
    return [*lines, _total("EIRP", "dBW", lines, "sum of the lines above")]


def _path_lines(config: LinkBudgetConfig, range_km: float, elevation_deg: float) -> list[BudgetLine]:
    return [
        _pointing_line("transmit", config.transmit_gain_dbi, config.transmit_pointing_error_deg),
        BudgetLine(
            "free-space loss",
            -free_space_loss_db(range_km, config.frequency_hz),
            "dB",
            f"20 log10(4π d f / c), d = {range_km:,.0f} km, f = {config.frequency_hz / 1e9:g} GHz",
        ),
        BudgetLine(
            "atmospheric loss",
            -_atmospheric_loss_db(config, elevation_deg),
            "dB",
            f"{config.zenith_attenuation_db:g} dB at zenith / sin({elevation_deg:.1f}°)",
        ),
        BudgetLine("rain loss", -config.rain_loss_db, "dB", "given: along the path"),
        BudgetLine("polarisation loss", -config.polarisation_loss_db, "dB", "given"),
        _pointing_line("receive", config.receive_gain_dbi, config.receive_pointing_error_deg),
        BudgetLine("receive antenna gain", config.receive_gain_dbi, "dBi", "given"),
    ]


def _noise_lines(config: LinkBudgetConfig, body: Body, range_km: float, elevation_deg: float) -> list[BudgetLine]:
    """Return the parts of the system noise temperature and, last, their sum; sky noise as in ITU-R P.618-13, section 3.

    Noise from beyond the atmosphere is attenuated by its loss. The body is centred in the beam and fills a share
    1 - exp(-G d² / (16 R²)) of it: exact for a Gaussian beam, and about G d² / (16 R²) for a small disc.
    """
    passed = 10 ** (-(_atmospheric_loss_db(config, elevation_deg) + config.rain_loss_db) / 10)
    gain = 10 ** (config.receive_gain_dbi / 10)
    filled = -math.expm1(-gain * (body.diameter_km / range_km) ** 2 / 16)
    parts = [
        BudgetLine("receiver noise", config.receiver_temperature_k, "K", "given: receiver and antenna"),
        BudgetLine(
            "atmosphere noise",
            MEDIUM_TEMPERATURE_K * (1 - passed),
            "K",
            f"{MEDIUM_TEMPERATURE_K:g} K · (1 - 1/L), L = atmosphere and rain",
        ),
        BudgetLine("cosmic background", COSMIC_BACKGROUND_K * passed, "K", f"{COSMIC_BACKGROUND_K:g} K / L"),
        BudgetLine(
            "body noise",
            body.brightness_k * filled * passed,
            "K",
            f"{body.name} of {body.brightness_k:g} K in {100 * filled:.3g} % of the beam, / L",
        ),
        BudgetLine("other noise", config.extra_noise_k, "K", "given: Sun in the sidelobes, ..."),
    ]
    return [*parts, _total("system noise temperature", "K", parts, "sum of the five lines above")]


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


def _pointing_line(end: str, gain_dbi: float, error_deg: float) -> BudgetLine:
    how = f"{error_deg:g}° off a Gaussian beam of {beamwidth_deg(gain_dbi):.3g}°"
    return BudgetLine(f"{end} pointing loss", -pointing_loss_db(gain_dbi, error_deg), "dB", how)


def _atmospheric_loss_db(config: LinkBudgetConfig, elevation_deg: float) -> float:
    return config.zenith_attenuation_db / math.sin(math.radians(elevation_deg))


def _total(name: str, unit: str, lines: list[BudgetLine], how: str) -> BudgetLine:
    return BudgetLine(name, math.fsum(line.value for line in lines), unit, how)
