"""How a receiver learns the channel from pilots: estimates are linear in them, with weights that are computed once.

Least squares (LS) divides the pilots out and interpolates in time. The linear minimum mean square error (LMMSE) filter
goes over frequency, then over time (Hoeher, Kaiser and Robertson, "Two-dimensional pilot-symbol-aided channel
estimation by Wiener filtering", ICASSP 1997). Both equal Sionna's ``LSChannelEstimator`` and ``LMMSEChannelEstimator``
(tested), which solve for the filter anew in every slot. Nothing here imports torch.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Array = NDArray[np.float64]
    Complex = NDArray[np.complex128]


@dataclass(frozen=True, slots=True)
class PilotFilter:
    """Channel estimates of a slot from the channel as it is seen at its pilots: over frequency, then over time.

    ``frequency`` ``[carriers, carriers]`` (None: each carrier on its own) and ``time``
    ``[carriers, slot_symbols, pilot_symbols]`` are the weights. ``error`` ``[slot_symbols, carriers]`` is the variance
    of the estimate's error as the receiver assumes it.
    """

    frequency: Complex | None
    time: Complex
    error: Array

    def estimate(self, pilots: Complex) -> Complex:
        """Return the channel ``[slots, slot_symbols, carriers]`` from that at ``pilots`` ``[slots, pilots, carriers]``.

        Slots do not influence each other.
        """
        smooth = pilots if self.frequency is None else pilots @ self.frequency.T
        return np.asarray(np.einsum("ctp,spc->stc", self.time, smooth))


def lmmse_filter(frequency: Complex, time: Complex, pilot_symbols: Sequence[int], noise: float) -> PilotFilter:
    """Return the LMMSE filter over frequency, then over time, for pilots on all carriers of ``pilot_symbols``.

    ``frequency`` ``[carriers, carriers]`` and ``time`` ``[slot_symbols, slot_symbols]`` are the covariances of the
    channel, of power 1; ``noise`` is the variance of the noise on a pilot.
    """
    pilots = list(pilot_symbols)
    over_frequency = _wiener(frequency, frequency, noise)
    left = _error(over_frequency, frequency, frequency)
    right = np.maximum(1 - left, 1e-12)
    known, seen = time[:, pilots], time[np.ix_(pilots, pilots)]
    over_time = np.stack([_wiener(known, seen, float(one)) for one in left / right])
    error = np.stack([_error(one, known, time) for one in over_time], axis=1)
    return PilotFilter(over_frequency / right[:, None], over_time, error)


def ls_filter(slot_symbols: int, pilot_symbols: Sequence[int], carriers: int, noise: float) -> PilotFilter:
    """Return linear interpolation in time between the pilots of each carrier; outside them it goes on as a line.

    The error that the receiver assumes is the pilots' noise alone.
    """
    weights = linear_weights(slot_symbols, pilot_symbols).astype(np.complex128)
    over_time = np.broadcast_to(weights, (carriers, *weights.shape))
    return PilotFilter(None, over_time, np.full((slot_symbols, carriers), noise))


def linear_weights(slot_symbols: int, pilot_symbols: Sequence[int]) -> Array:
    """Return the weights ``[slot_symbols, pilots]`` of linear interpolation, beyond the pilots as a line."""
    pilots = list(pilot_symbols)
    weights = np.zeros((slot_symbols, len(pilots)))
    if len(pilots) == 1:
        weights[:] = 1.0
        return weights
    for time, row in enumerate(weights):
        after = min(max(int(np.searchsorted(pilots, time)), 1), len(pilots) - 1)
        share = (time - pilots[after - 1]) / (pilots[after] - pilots[after - 1])
        row[after - 1], row[after] = 1 - share, share
    return weights


def _wiener(known: Complex, seen: Complex, noise: float) -> Complex:
    """Return ``known`` (``seen`` + noise)⁻¹: the estimate of what ``known`` ``[all, seen]`` relates to what is seen."""
    size = len(seen)
    rounding = np.finfo(np.float64).eps * size * (float(np.trace(seen).real) / size + noise)  # seen may be singular
    loaded = seen + (noise + rounding) * np.eye(size)
    return np.asarray(np.linalg.solve(loaded, known.conj().T).conj().T)


def _error(weights: Complex, known: Complex, everything: Complex) -> Array:
    """Return the error variance ``[all]`` of the estimate by ``weights`` ``[all, seen]``."""
    explained = (weights * known.conj()).sum(axis=1).real
    return np.asarray(np.clip(np.diagonal(everything).real - explained, 0.0, 1.0))
