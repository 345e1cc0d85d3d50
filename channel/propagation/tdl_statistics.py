"""The mean and covariance of a tapped delay line over an OFDM resource grid, and the receiver's filter from them.

Over frequency the covariance follows from the tap table, over time it is J0(2 π f_D t) around the line of sight at
0.7 f_D (TR 38.901, 7.7.2). Nothing here imports torch.
"""

from __future__ import annotations

import math
from collections.abc import Hashable
from functools import lru_cache
from typing import TYPE_CHECKING, Protocol

import numpy as np

from channel.propagation.pilot_filter import PilotFilter, lmmse_filter, ls_filter
from channel.propagation.tdl_taps import LINE_OF_SIGHT_DOPPLER, load_taps

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from channel.propagation.tdl_parameters import OfdmGrid

    Array = NDArray[np.float64]


class TdlSettings(Hashable, Protocol):
    """What is used of ``channel.propagation.kinds.Tdl``."""

    @property
    def profile(self) -> str:
        """Letter of the profile, "A" to "E"."""
        ...

    @property
    def delay_spread_s(self) -> float:
        """Factor of the tap delays."""
        ...

    @property
    def max_doppler_hz(self) -> float:
        """Largest Doppler shift."""
        ...

    @property
    def estimation(self) -> str:
        """How the channel is estimated: "perfect", "ls" or "lmmse"."""
        ...

    @property
    def grid(self) -> OfdmGrid:
        """The resource grid."""
        ...


@lru_cache(maxsize=8)
def pilot_filter(settings: TdlSettings, symbol_rate_hz: float, noise: float) -> PilotFilter | None:
    """Return the filter of the receiver at the noise variance ``noise``; None if it knows the channel."""
    grid = settings.grid
    if settings.estimation == "perfect":
        return None
    if settings.estimation == "ls":
        return ls_filter(grid.slot_symbols, grid.pilot_symbols, grid.effective_carriers, noise)
    frequency = frequency_covariance(settings, carrier_frequencies_hz(settings, symbol_rate_hz))
    return lmmse_filter(frequency, time_covariance(settings, symbol_rate_hz), grid.pilot_symbols, noise)


def carrier_frequencies_hz(settings: TdlSettings, symbol_rate_hz: float) -> Array:
    """Return the frequencies of the used carriers relative to the centre."""
    return symbol_rate_hz / settings.grid.fft_size * used_carriers(settings).astype(np.float64)


def used_carriers(settings: TdlSettings) -> NDArray[np.int64]:
    """Return the used subcarriers' numbers, 0 for DC."""
    grid = settings.grid
    numbers = np.arange(grid.fft_size) - grid.fft_size // 2
    numbers = numbers[grid.guard_carriers_low : grid.fft_size - grid.guard_carriers_high]
    return numbers[numbers != 0] if grid.dc_null else numbers


def symbol_s(settings: TdlSettings, symbol_rate_hz: float) -> float:
    """Return the duration of an OFDM symbol with its cyclic prefix."""
    return (settings.grid.fft_size + settings.grid.cyclic_prefix) / symbol_rate_hz


def mean_and_covariance(
    settings: TdlSettings, frequencies_hz: Array, seconds: Array
) -> tuple[NDArray[np.complex128], NDArray[np.complex128]]:
    """Return the line of sight ``[elements]`` and the covariance of the scattered part ``[elements, elements]``."""
    from scipy.special import j0  # noqa: PLC0415 - keeps --help quick

    taps = load_taps(settings.profile)
    doppler = 2 * np.pi * settings.max_doppler_hz
    sight = math.sqrt(taps.line_of_sight_power) * np.exp(1j * doppler * LINE_OF_SIGHT_DOPPLER * seconds)
    phases = np.exp(-2j * np.pi * np.outer(frequencies_hz, taps.delays * settings.delay_spread_s))
    covariance = (phases * taps.powers) @ phases.conj().T * j0(doppler * (seconds[:, None] - seconds[None, :]))
    return sight, covariance


def frequency_covariance(settings: TdlSettings, frequencies_hz: Array) -> NDArray[np.complex128]:
    """Return the covariance of the channel over frequency, line of sight included."""
    sight, covariance = mean_and_covariance(settings, frequencies_hz, np.zeros(len(frequencies_hz)))
    return np.asarray(covariance + np.outer(sight, sight.conj()))


def time_covariance(settings: TdlSettings, symbol_rate_hz: float) -> NDArray[np.complex128]:
    """Return the covariance of the channel over a slot's OFDM symbols, line of sight included."""
    seconds = symbol_s(settings, symbol_rate_hz) * np.arange(settings.grid.slot_symbols, dtype=np.float64)
    sight, covariance = mean_and_covariance(settings, np.zeros(len(seconds)), seconds)
    return np.asarray(covariance + np.outer(sight, sight.conj()))
