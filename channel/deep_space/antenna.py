"""A dish antenna: gain from its size, the beam from its size and taper, sidelobes from an ITU-R envelope.

The gain on the axis is G0 = η (π D / λ)², with the diameter D and the aperture efficiency η. The main lobe is that of a
circular aperture whose field falls from 1 at the centre to the edge taper C at the rim, C + (1 - C) (1 - ρ²): with
u = (π D / λ) sin φ its relative field is

    F(u) = [C · 2 J1(u) / u + (1 - C) / 2 · 8 J2(u) / u²] / [C + (1 - C) / 2]

(Stutzman and Thiele, "Antenna Theory and Design", parabolic taper on a pedestal). Sidelobes follow the envelope of
Recommendations ITU-R SA.509 (space research earth stations, D / λ >= 100) and F.699 (smaller antennas).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from channel.constants import SPEED_OF_LIGHT_M_S

if TYPE_CHECKING:
    from numpy.typing import NDArray

_RING_POINTS: Final = 4001


@dataclass(frozen=True, slots=True)
class Antenna:
    """A dish of ``diameter_m`` at ``frequency_hz``; ``gain_dbi`` on the axis, ``edge_taper_db`` of the field's rim."""

    diameter_m: float
    frequency_hz: float
    gain_dbi: float
    edge_taper_db: float

    @property
    def wavelengths(self) -> float:
        """D / λ."""
        return self.diameter_m * self.frequency_hz / SPEED_OF_LIGHT_M_S

    @property
    def beamwidth_deg(self) -> float:
        """The full width at half of the power, in degrees."""
        half = _half_power_u(self.edge_taper_db) / (math.pi * self.wavelengths)
        return 2 * math.degrees(math.asin(min(half, 1.0)))

    def pointing_loss_db(self, error_deg: float) -> float:
        """Return the gain on the axis over that ``error_deg`` off it, in dB."""
        return self.gain_dbi - float(self.gains_dbi(np.array([error_deg]))[0])

    def gains_dbi(self, angles_deg: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the gain at each angle from the axis, 0° to 180°, in dBi."""
        ratio = self.wavelengths
        far = angles_deg >= _sidelobes_from_deg(ratio)
        plateau_dbi = 2 + 15 * math.log10(ratio)
        extra_db = 20 - 10 * math.log10(ratio) if ratio < 100 else 0.0  # F.699 for small antennas
        safe_deg = np.where(far, angles_deg, 1.0)
        envelope_dbi = np.minimum(np.maximum(32 + extra_db - 25 * np.log10(safe_deg), extra_db - 10), plateau_dbi)
        u = math.pi * ratio * np.sin(np.radians(np.minimum(angles_deg, 90.0)))
        in_lobe = u < _first_null_u(self.edge_taper_db)
        with np.errstate(divide="ignore"):
            lobe_db = 20 * np.log10(np.abs(_field(np.where(in_lobe, u, 0.0), self.edge_taper_db)))
        lobe_dbi = np.where(in_lobe, self.gain_dbi + lobe_db, -math.inf)
        near_dbi = np.maximum(lobe_dbi, plateau_dbi)
        return np.minimum(np.where(far, np.maximum(envelope_dbi, lobe_dbi), near_dbi), self.gain_dbi)

    def disc_share(self, offset_deg: float, diameter_deg: float) -> float:
        """Return the share of all received power that an even disc fills, its centre ``offset_deg`` off the axis.

        It is the integral of G / (4π) over the disc, at most 1: the disc's brightness times it is its antenna noise.
        """
        radius_deg = diameter_deg / 2
        low, high = max(offset_deg - radius_deg, 0.0), offset_deg + radius_deg
        angles = low + (high - low) * np.linspace(0, 1, _RING_POINTS) ** 2  # dense near the axis, where G is steep
        with np.errstate(divide="ignore", invalid="ignore"):
            cosine = (angles**2 + offset_deg**2 - radius_deg**2) / (2 * angles * offset_deg)
        arc = 2 * np.where(angles < radius_deg - offset_deg, math.pi, np.arccos(np.clip(np.nan_to_num(cosine), -1, 1)))
        rings = 10 ** (self.gains_dbi(angles) / 10) * np.radians(angles) * arc / (4 * math.pi)
        return min(1.0, float(np.trapezoid(rings, np.radians(angles))))


def dish_gain_dbi(diameter_m: float, efficiency: float, frequency_hz: float) -> float:
    """Return the gain of a dish, η (π D / λ)², in dBi."""
    return 10 * math.log10(efficiency) + 20 * math.log10(math.pi * diameter_m * frequency_hz / SPEED_OF_LIGHT_M_S)


def dish_diameter_m(gain_dbi: float, efficiency: float, frequency_hz: float) -> float:
    """Return the diameter of the dish that has this gain."""
    return float(10 ** ((gain_dbi - dish_gain_dbi(1.0, efficiency, frequency_hz)) / 20))


def _sidelobes_from_deg(ratio: float) -> float:
    """Return the angle at which the envelope 32 - 25 log φ begins: there it equals 2 + 15 log(D / λ)."""
    return 15.85 * ratio**-0.6 if ratio >= 100 else 100 / ratio


def _field(u: Any, edge_taper_db: float) -> Any:
    """Return F(u), 1 on the axis."""
    from scipy.special import jv  # noqa: PLC0415 - only deep-space channels need it

    rim = 10 ** (-edge_taper_db / 20)
    safe = np.where(np.abs(u) < 1e-6, 1e-6, u)
    even, tapered = 2 * jv(1, safe) / safe, 8 * jv(2, safe) / safe**2
    field = (rim * even + (1 - rim) / 2 * tapered) / (rim + (1 - rim) / 2)
    return np.where(np.abs(u) < 1e-6, 1.0, field)


@lru_cache(maxsize=64)
def _half_power_u(edge_taper_db: float) -> float:
    from scipy.optimize import brentq  # noqa: PLC0415 - only deep-space channels need it

    return float(brentq(lambda u: float(_field(u, edge_taper_db)) ** 2 - 0.5, 0.1, 3.0))


@lru_cache(maxsize=64)
def _first_null_u(edge_taper_db: float) -> float:
    """Return where F first is 0: between the null of an even aperture, 3.83, and that of a parabolic one, 5.14."""
    from scipy.optimize import brentq  # noqa: PLC0415 - only deep-space channels need it

    return float(brentq(lambda u: float(_field(u, edge_taper_db)), 3.8, 5.2))
