"""Fading over time: a Gaussian process with Jakes' spectrum that a few keyed numbers give at any time.

    g(t) = Σ a_n exp(j 2π f_D t cos α_n),  α_n = 2π (n + u) / N,  n = 0 ... N - 1

with a_n from CN(0, 1 / N) and one u, uniform in [0, 1), for all paths. At any time g is exactly CN(0, 1), so that its
magnitude is exactly Rayleigh. Over u its autocorrelation is exactly J0(2π f_D t) (Jakes, "Microwave Mobile
Communications", 1974, section 1.1). By the Jacobi-Anger expansion (DLMF 10.12) it is J0 for every u too, within 1e-13
up to 2π f_D t = 80: there J_N is that small. Later it deviates by 2 J_N at most. Nothing here imports torch.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from channel.propagation.tdl_taps import LINE_OF_SIGHT_DOPPLER
from channel.rng import Purpose, packet_generator

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    Array = NDArray[np.float64]
    Complex = NDArray[np.complex128]

SINUSOIDS: Final = 128


@dataclass(frozen=True, slots=True)
class ScatteredPaths:
    """Independent scattered paths: angular Doppler shifts ``[sinusoids]``, amplitudes ``[sinusoids, paths]``."""

    shifts_rad_s: Array
    amplitudes: Complex

    def at(self, seconds: Array) -> Complex:
        """Return the coefficients ``[times, paths]`` at ``seconds`` ``[times]``."""
        return np.asarray(np.exp(1j * np.outer(seconds, self.shifts_rad_s)) @ self.amplitudes)


def draw_paths(
    run_seed: int, picture_index: int, packet_index: int | None, max_doppler_hz: float, powers: ArrayLike
) -> ScatteredPaths:
    """Return scattered paths of mean ``powers`` ``[paths]``: those of a packet, or of the picture for None."""
    generator = packet_generator(run_seed, picture_index, packet_index or 0, Purpose.FADING)
    angles = 2 * np.pi * (np.arange(SINUSOIDS) + generator.random()) / SINUSOIDS
    spread = np.sqrt(np.asarray(powers, dtype=np.float64) / (2 * SINUSOIDS))
    drawn = generator.standard_normal((SINUSOIDS, len(spread), 2)).view(np.complex128)[..., 0]
    return ScatteredPaths(2 * np.pi * max_doppler_hz * np.cos(angles), drawn * spread)


def line_of_sight(power: float, max_doppler_hz: float, seconds: Array) -> Complex:
    """Return the coefficient ``[times]`` of the line of sight, which moves at 0.7 of the largest Doppler shift.

    Its phase is 0 at the start: the scattered paths are circular, so that it makes no difference.
    """
    turn_rad_s = 2 * np.pi * LINE_OF_SIGHT_DOPPLER * max_doppler_hz
    return np.asarray(math.sqrt(power) * np.exp(1j * turn_rad_s * seconds))
