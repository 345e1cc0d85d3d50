"""Continuous fading over a packet, and at two packets of a picture: weighted draws of the SNR, for predictions.

The channel is jointly Gaussian around the line of sight (``channel.propagation.gaussian_draws``). Nothing here imports
torch.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import TYPE_CHECKING, Final

import numpy as np

from channel.propagation.gaussian_draws import draw_gaussian
from channel.propagation.tdl_fading import error_variance
from channel.propagation.tdl_statistics import carrier_frequencies_hz, mean_and_covariance
from channel.propagation.tdl_taps import LINE_OF_SIGHT_DOPPLER

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from channel.propagation.tdl_statistics import TdlSettings

    Array = NDArray[np.float64]
    Complex = NDArray[np.complex128]

_CARRIERS: Final = 8  # of a tapped delay line
_MOST_TIMES: Final = 48  # in a packet


def flat_snr(k_ratio: float, turn_rad: float, es_n0: float) -> tuple[Array, Array]:
    """Return SNRs as ratios ``[draws, times]`` over a packet, and each draw's probability.

    ``turn_rad`` is 2 π f_D t of the packet's air time.
    """
    powers, masses = _draw_packet(k_ratio, round(turn_rad, 3))
    return powers * es_n0, masses


def flat_pair_snr(k_ratio: float, turn_rad: float, es_n0: float) -> tuple[Array, Array]:
    """Return SNRs as ratios ``[draws, 2, 1]`` at two packets, and each draw's probability.

    ``turn_rad`` is 2 π f_D t of the time between them.
    """
    powers, masses = _draw_flat_pair(k_ratio, turn_rad)
    return powers * es_n0, masses


def tdl_pair_snr(settings: TdlSettings, symbol_rate_hz: float, es_n0: float, turn_rad: float) -> tuple[Array, Array]:
    """Return SNRs as ratios ``[draws, 2, carriers]`` at two packets, on some carriers; and each draw's probability.

    The error of the channel estimate counts as noise, as in ``tdl_fading``.
    """
    powers, masses = _draw_tdl_pair(settings, symbol_rate_hz, turn_rad)
    error = error_variance(settings, symbol_rate_hz, 1 / es_n0).mean(axis=0)[_spread_carriers(settings)]
    kept = 1 - error if settings.estimation == "lmmse" else 1.0
    return powers * (kept / (1 / es_n0 + error)), masses


@lru_cache(maxsize=64)
def _draw_packet(k_ratio: float, duration_rad: float) -> tuple[Array, Array]:
    """Return draws of |h|² ``[draws, times]`` over 2 π f_D t from 0 to ``duration_rad``, and their probabilities."""
    from scipy.special import j0  # noqa: PLC0415 - keeps --help quick

    times = min(_MOST_TIMES, max(8, math.ceil(4 * duration_rad)))
    radians = (np.arange(times) + 0.5) * duration_rad / times
    sight = math.sqrt(k_ratio / (k_ratio + 1)) * np.exp(1j * LINE_OF_SIGHT_DOPPLER * radians).astype(np.complex128)
    h, masses = draw_gaussian(sight, (j0(radians[:, None] - radians) / (k_ratio + 1)).astype(np.complex128))
    return np.abs(h) ** 2, masses


@lru_cache(maxsize=64)
def _draw_flat_pair(k_ratio: float, turn_rad: float) -> tuple[Array, Array]:
    sight = np.full(1, math.sqrt(k_ratio / (k_ratio + 1)), dtype=np.complex128)
    return _draw_pair(sight, np.full((1, 1), 1 / (k_ratio + 1), dtype=np.complex128), turn_rad)


@lru_cache(maxsize=64)
def _draw_tdl_pair(settings: TdlSettings, symbol_rate_hz: float, turn_rad: float) -> tuple[Array, Array]:
    carriers_hz = carrier_frequencies_hz(settings, symbol_rate_hz)[_spread_carriers(settings)]
    return _draw_pair(*mean_and_covariance(settings, carriers_hz, np.zeros(len(carriers_hz))), turn_rad)


def _draw_pair(sight: Complex, covariance: Complex, turn_rad: float) -> tuple[Array, Array]:
    """Return draws of |h|² ``[draws, 2, elements]`` at two packets, and the probability of each."""
    from scipy.special import j0  # noqa: PLC0415 - keeps --help quick

    alike = float(j0(turn_rad))
    both = np.kron(np.array([[1.0, alike], [alike, 1.0]]), covariance).astype(np.complex128)
    sights = np.concatenate([sight, sight * np.exp(1j * LINE_OF_SIGHT_DOPPLER * turn_rad)])
    h, masses = draw_gaussian(sights, both)
    return (np.abs(h) ** 2).reshape(len(h), 2, -1), masses


def _spread_carriers(settings: TdlSettings) -> NDArray[np.int64]:
    count = settings.grid.effective_carriers
    return np.unique(np.linspace(0, count - 1, _CARRIERS).round().astype(np.int64))
