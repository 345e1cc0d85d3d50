"""Amplitude scintillation of a signal that crosses the Sun's corona, as the K factor of Rician fading.

The scintillation index m (rms of the received power over its mean) follows from the Sun-Earth-Probe angle θ by the fits
to spacecraft measurements in D. Morabito, "Solar Corona Amplitude Scintillation Modeling and Comparison to Measurements
at X-Band and Ka-Band", IPN Progress Report 42-153 (2003), equation (7):

    m = exp(-a1 (θ - θt)) + a2 + a3 (θ - θt) + a4 (θ - θt)²,  and m = 1 for θ <= θt.

Single passes scatter about the fit, most between 1.1° and 2° at X-band. Rician fading with that index is the channel of
Wu et al., "Deep space communication channel characteristics under solar scintillation". Its power has
m² = (2K + 1) / (K + 1)², which gives K = s / (1 - s) with s = sqrt(1 - m²).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from channel.checks import check_in_range
from shared.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Sequence

MAX_FIT_ANGLE_DEG = 5.0  # the measurements end here; beyond it the signal is taken as steady
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

    ``regime`` is the range of the angle: "saturated" (m = 1, Rayleigh), "weak" (the fit) or "none" (beyond 5°, m = 0).
    """

    index: float
    k_db: float
    regime: Literal["saturated", "weak", "none"]


def predict_scintillation(sun_angle_deg: float, frequency_hz: float) -> Scintillation:
    """Return the scintillation of a path behind the Sun at a Sun-Earth-Probe angle of ``sun_angle_deg``.

    For a body nearer than the Sun (``LineOfSight.behind_sun`` is false) the path does not cross the corona, and the
    model does not apply. The fits hold from 1.1° to 5° at X-band (8.4 GHz) and from 0.7° to 5° at Ka-band (32 GHz).

    Raises:
        ConfigError: the angle is outside 0° to 180°, or the frequency outside 8 to 8.8 GHz and 31 to 33 GHz.
    """
    check_in_range("sun_angle_deg", sun_angle_deg, 0, 180)
    fit = _find_fit(frequency_hz)
    if sun_angle_deg > MAX_FIT_ANGLE_DEG:
        return Scintillation(0.0, K_LIMIT_DB, "none")
    if sun_angle_deg <= fit.saturation_deg:
        return Scintillation(1.0, -K_LIMIT_DB, "saturated")
    index = _evaluate_fit(fit, sun_angle_deg)
    return Scintillation(index, rician_k_db(index), "weak")


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


def _find_fit(frequency_hz: float) -> _Fit:
    for fit in _FITS:
        if fit.band_hz[0] <= frequency_hz <= fit.band_hz[1]:
            return fit
    raise ConfigError(f"frequency_hz = {frequency_hz!r}: must be from 8e9 to 8.8e9 (X-band) or 31e9 to 33e9 (Ka-band)")


def _evaluate_fit(fit: _Fit, sun_angle_deg: float) -> float:
    beyond = sun_angle_deg - fit.saturation_deg
    a1, a2, a3, a4 = fit.a
    index = math.exp(-a1 * beyond) + a2 + a3 * beyond + a4 * beyond**2
    return min(max(index, 0.0), 1.0)  # the Ka-band fit falls a little below zero near 5°
