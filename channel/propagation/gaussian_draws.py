"""Weighted draws of a jointly Gaussian channel, half of them where it is weak, because there packets are lost.

The balance heuristic weighs both halves (Veach and Guibas, "Optimally combining sampling techniques", SIGGRAPH 1995).
Draws have a fixed seed, so that predictions are repeatable. Nothing here imports torch.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]
    Complex = NDArray[np.complex128]

DRAWS: Final = 1024
GOLDEN_RATIO: Final = (math.sqrt(5) - 1) / 2
_SEED: Final = 38_901
_WEAK_SHARE: Final = 0.05  # mean power of the draws that lie where the channel is weak, over the mean power
_LEAST_EIGENVALUE: Final = 1e-5  # of the scattered power of all elements; weaker modes are left out


def draw_gaussian(sight: Complex, covariance: Complex) -> tuple[Complex, Array]:
    """Return draws of h ``[draws, elements]`` and their probabilities; h has mean ``sight`` and this covariance.

    The strongest mode, or that of the line of sight, is drawn on its own; the other modes follow given its value.
    """
    strength = float(np.linalg.norm(sight))
    mode = sight / strength if strength else np.linalg.eigh(covariance)[1][:, -1]
    spread = float((mode.conj() @ covariance @ mode).real)
    loading = covariance @ mode / math.sqrt(spread)
    values, modes = np.linalg.eigh(covariance - np.outer(loading, loading.conj()))
    kept = values > _LEAST_EIGENVALUE * float(np.trace(covariance).real)
    random = np.random.default_rng(_SEED)
    first, masses = _draw_first_mode(strength / math.sqrt(spread))
    others = _complex_normal(random, (DRAWS, int(kept.sum())))
    h = sight + np.outer(first, loading) + others @ (modes[:, kept] * np.sqrt(values[kept])).T
    return np.asarray(h), masses


def _draw_first_mode(centre: float) -> tuple[Complex, Array]:
    """Return draws of a CN(0, 1) variable ``[draws]`` and their probabilities; half lie around -``centre``.

    Each half is spread evenly over its distribution, magnitudes by quantiles and phases by the golden angle.
    """
    half = DRAWS // 2
    places = np.arange(half)
    spread = np.sqrt(-np.log1p(-(places + 0.5) / half)) * np.exp(2j * np.pi * GOLDEN_RATIO * places)
    variance = _WEAK_SHARE * (1 + centre**2)
    drawn = np.concatenate([spread, -centre + math.sqrt(variance) * spread])
    ratio = np.exp(np.abs(drawn) ** 2 - np.abs(drawn + centre) ** 2 / variance - math.log(variance))
    masses = 1 / (1 + ratio)
    return drawn, masses / masses.sum()


def _complex_normal(random: np.random.Generator, shape: tuple[int, int]) -> Complex:
    """Return CN(0, 1) draws."""
    real, imaginary = random.standard_normal((2, *shape)) * math.sqrt(0.5)
    return np.asarray(real + 1j * imaginary)
