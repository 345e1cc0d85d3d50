"""How a tapped delay line fades over the data of one packet: weighted draws of the SNR of its resource elements.

The channel at the elements is jointly Gaussian around the line of sight. Its covariance follows from the tap table over
frequency and from Jakes' spectrum, J0(2 π f_D t), over time. Draws do not depend on the SNR, so that predictions fall
with it. Nothing here imports torch.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Final

import numpy as np

from channel.propagation.gaussian_draws import GOLDEN_RATIO, draw_gaussian
from channel.propagation.pilot_filter import linear_weights
from channel.propagation.tdl_statistics import (
    TdlSettings,
    carrier_frequencies_hz,
    mean_and_covariance,
    pilot_filter,
    symbol_s,
    time_covariance,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

MOST_ELEMENTS: Final = 96
"""Most elements whose SNR is computed; those of a longer packet are spread over it."""


@dataclass(frozen=True, slots=True)
class PowerDraws:
    """Draws of |h|² ``[draws, elements]`` at some data elements of a packet, and the probability ``[draws]`` of each.

    ``carriers`` and ``times`` ``[elements]`` are the elements' indices among the used carriers and in the slot.
    """

    powers: Array
    masses: Array
    carriers: NDArray[np.int64]
    times: NDArray[np.int64]


def element_snr(settings: TdlSettings, symbols: int, symbol_rate_hz: float, es_n0: float) -> tuple[Array, Array]:
    """Return SNRs as ratios ``[draws, elements]`` of a packet of ``symbols`` data symbols; and each draw's probability.

    ``es_n0`` is the mean Es/N0 as a ratio. The error of the channel estimate acts as noise: the SNR is
    |h|² (1 - ε) / (N0 + ε) with ε the error variance of the estimator at the element.
    """
    draws = draw_powers(settings, symbols, symbol_rate_hz)
    error = error_variance(settings, symbol_rate_hz, 1 / es_n0)[draws.times, draws.carriers]
    kept = 1 - error if settings.estimation == "lmmse" else 1.0
    return draws.powers * (kept / (1 / es_n0 + error)), draws.masses


@lru_cache(maxsize=64)
def draw_powers(settings: TdlSettings, symbols: int, symbol_rate_hz: float) -> PowerDraws:
    """Return the draws for a packet of ``symbols`` data symbols."""
    grid = settings.grid
    chosen = _spread(symbols)
    data_symbols = np.setdiff1d(np.arange(grid.slot_symbols), grid.pilot_symbols)
    row, carriers = np.divmod(chosen, grid.effective_carriers)
    slot, place = np.divmod(row, len(data_symbols))
    times = data_symbols[place]
    seconds = symbol_s(settings, symbol_rate_hz) * (slot * grid.slot_symbols + times).astype(np.float64)
    frequencies_hz = carrier_frequencies_hz(settings, symbol_rate_hz)[carriers]
    sight, covariance = mean_and_covariance(settings, frequencies_hz, seconds)
    h, masses = draw_gaussian(sight, covariance)
    return PowerDraws(np.abs(h) ** 2, masses, carriers, times)


@lru_cache(maxsize=256)
def error_variance(settings: TdlSettings, symbol_rate_hz: float, noise: float) -> Array:
    """Return the error variance of the channel estimate ``[slot_symbols, carriers]`` at the noise variance ``noise``.

    ``lmmse``: what the estimator states. ``ls``: the pilots' noise and the channel's change in time, interpolated
    linearly between two pilots.
    """
    grid = settings.grid
    shape = grid.slot_symbols, grid.effective_carriers
    if settings.estimation == "ls":
        time, pilots = time_covariance(settings, symbol_rate_hz), list(grid.pilot_symbols)
        weights = linear_weights(grid.slot_symbols, pilots)
        change = 1 - 2 * (weights * time[:, pilots].conj()).sum(1).real
        change += np.einsum("tp,pq,tq->t", weights, time[np.ix_(pilots, pilots)], weights).real
        error = np.maximum(change, 0.0) + noise * (weights**2).sum(1)
        return np.broadcast_to(error[:, None], shape)
    found = pilot_filter(settings, symbol_rate_hz, noise)
    return np.zeros(shape) if found is None else found.error


def _spread(symbols: int) -> NDArray[np.int64]:
    """Return indices of data elements, one in each of equally long parts of the packet."""
    count = min(symbols, MOST_ELEMENTS)
    offsets = np.arange(count) * GOLDEN_RATIO % 1 if symbols > count else np.zeros(count)
    return np.floor((np.arange(count) + offsets) * symbols / count).astype(np.int64)
