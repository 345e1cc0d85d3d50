"""Amplitude scintillation of a signal that crosses the Sun's corona, as the K factor of Rician fading.

The scintillation index m (rms of the received power over its mean) follows from the Sun-Earth-Probe angle θ by the fits
to spacecraft measurements in D. Morabito, "Solar Corona Amplitude Scintillation Modeling and Comparison to Measurements
at X-Band and Ka-Band", IPN Progress Report 42-153 (2003), equation (7):

    m = exp(-a1 (θ - θt)) + a2 + a3 (θ - θt) + a4 (θ - θt)²,  and m = 1 for θ <= θt.

Outside the two bands of these measurements m is that of point sources in interplanetary scintillation (Readhead 1971,
MNRAS 155, 185; Rickett 1973, J. Geophys. Res. 78, 1543), with the wavelength λ in metres and p = sin θ in au:

    m = 0.06 λ p^-1.6, at most 1.

Single passes scatter about the fit, most between 1.1° and 2° at X-band. Rician fading with that index is the channel of
Wu et al., "Deep space communication channel characteristics under solar scintillation". Its power has
m² = (2K + 1) / (K + 1)², which gives K = s / (1 - s) with s = sqrt(1 - m²).

The pattern of the corona, as large as the Fresnel radius sqrt(λ z / 2π), z from the corona to the Earth, drifts over
the station with the solar wind: the time that it takes is the correlation time of the fading.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from channel.checks import check_in_range, check_positive
from channel.constants import SPEED_OF_LIGHT_M_S

if TYPE_CHECKING:
    from collections.abc import Sequence

MAX_FIT_ANGLE_DEG = 5.0  # the measurements end here; beyond it the signal is taken as steady
STEADY_INDEX = 0.05  # below it the signal is taken as steady, outside the bands that were measured
SOLAR_WIND_KM_S = 200.0  # a few solar radii from the Sun; it rises to 400 km/s farther out
EARTH_SUN_KM = 149_597_870.7
K_LIMIT_DB = 40.0  # stands for an infinite K (no scintillation); -40 dB for zero (Rayleigh, in saturation)


@dataclass(frozen=True, slots=True)
class _Fit:
    band_hz: tuple[float, float]
    saturation_deg: float
    a: tuple[float, float, float, float]


_FITS: Sequence[_Fit] = (
    _Fit((8.0e9, 8.8e9), 1.1, (1.14, 0.0, 0.02, 0.0)),
    _Fit((31.0e9, 33.0e9), 0.6, (1.50, -0.231, 0.176, -0.030)),
)


@dataclass(frozen=True, slots=True)
class Scintillation:
    """``index`` is m; ``k_db`` the Rician K factor in dB, within ±40 dB.

    ``regime`` is the range of the angle: "saturated" (m = 1, Rayleigh), "weak" (the fit) or "none" (beyond it, m = 0).
    ``correlation_s`` is the time in which the pattern drifts by one Fresnel radius.
    """

    index: float
    k_db: float
    regime: Literal["saturated", "weak", "none"]
    correlation_s: float


def predict_scintillation(sun_angle_deg: float, frequency_hz: float) -> Scintillation:
    """Return the scintillation of a path behind the Sun at a Sun-Earth-Probe angle of ``sun_angle_deg``.

    For a body nearer than the Sun (``LineOfSight.behind_sun`` is false) the path does not cross the corona, and the
    model does not apply. The fits hold from 1.1° to 5° at X-band (8 to 8.8 GHz) and from 0.7° to 5° at Ka-band (31 to
    33 GHz); at other frequencies the law of point sources is used.

    Raises:
        ConfigError: the angle is outside 0° to 180°, or the frequency is not positive.
    """
    check_in_range("sun_angle_deg", sun_angle_deg, 0, 180)
    wavelength_m = SPEED_OF_LIGHT_M_S / check_positive("frequency_hz", frequency_hz)
    correlation_s = math.sqrt(wavelength_m * EARTH_SUN_KM / 2 / math.pi * 1e-3) / SOLAR_WIND_KM_S
    fit = _find_fit(frequency_hz)
    if fit is None:
        index = _point_source_index(wavelength_m, sun_angle_deg)
        ends, saturated = index < STEADY_INDEX, index == 1.0
    else:
        index = _evaluate_fit(fit, sun_angle_deg)
        ends, saturated = sun_angle_deg > MAX_FIT_ANGLE_DEG, sun_angle_deg <= fit.saturation_deg
    if ends:
        return Scintillation(0.0, K_LIMIT_DB, "none", correlation_s)
    return Scintillation(index, rician_k_db(index), "saturated" if saturated else "weak", correlation_s)


def rician_k_db(index: float) -> float:
    """Return the K factor in dB of Rician fading with scintillation index m, limited to ±40 dB.

    Raises:
        ConfigError: the index is outside 0 to 1.
    """
    check_in_range("index", index, 0, 1)
    steady = math.sqrt(1 - index**2)
    limit = 10 ** (K_LIMIT_DB / 10)
    k = steady / (1 - steady) if steady < 1 else limit
    return 10 * math.log10(min(max(k, 1 / limit), limit))


def _find_fit(frequency_hz: float) -> _Fit | None:
    return next((fit for fit in _FITS if fit.band_hz[0] <= frequency_hz <= fit.band_hz[1]), None)


def _point_source_index(wavelength_m: float, sun_angle_deg: float) -> float:
    if sun_angle_deg > 90:
        return 0.0  # the path leads away from the Sun
    nearest_au = max(math.sin(math.radians(sun_angle_deg)), 1e-3)
    return float(min(1.0, 0.06 * wavelength_m * nearest_au**-1.6))


def _evaluate_fit(fit: _Fit, sun_angle_deg: float) -> float:
    beyond = sun_angle_deg - fit.saturation_deg
    if beyond <= 0.0:
        return 1.0
    a1, a2, a3, a4 = fit.a
    index = math.exp(-a1 * beyond) + a2 + a3 * beyond + a4 * beyond**2
    return min(max(index, 0.0), 1.0)  # the Ka-band fit falls a little below zero near 5°
