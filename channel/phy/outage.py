"""The rate of a code over several fades: the distribution of the mean over the fades, and outage capacity.

One fade of power g carries I(g · Es/N0) bits per symbol, with I the capacity of the Gaussian channel or the mutual
information of QAM. A code over several fades carries their mean, each weighted by its number of symbols (Ozarow, Shamai
and Wyner, "Information theoretic considerations for cellular mobile radio", IEEE Trans. Veh. Technol. 43(2), 1994). The
distribution is computed by convolving the closed form of one fade with itself, not sampled. Nothing here imports torch.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Final

import numpy as np

from channel.phy.capacity import awgn_capacity, bicm_capacity
from shared.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Array = NDArray[np.float64]

MOST_FADES: Final = 512
"""Above this number of fades their mean is approximated by a normal distribution of the same mean and variance."""
_MOST_STEPS, _MOST_SUM_STEPS = 4096, 1 << 17  # of the rate of one fade, and of the sum over all fades
_AMPLITUDE_DEVIATIONS = 8.0  # a fade is further from its line of sight with probability e^-32
_NORMAL_K: Final = 1000.0  # above this a Rician amplitude is nearly normal, and its series is slow
_TABLE_DB: Final = np.arange(-60.0, 60.01, 0.25)
_FINEST: Final = 1e-12  # bits; rates closer than this count as equal


@dataclass(frozen=True, slots=True)
class RateDistribution:
    """Rates ``[steps]`` in bits per symbol, ascending and ``width`` apart, and the probability ``[steps]`` of each."""

    rates: Array
    masses: Array
    width: float

    def quantile(self, probability: float) -> float:
        """Return the rate below which the mean over the fades lies with ``probability``."""
        below = np.concatenate([[0.0], np.cumsum(self.masses)])
        edges = np.concatenate([self.rates - self.width / 2, self.rates[-1:] + self.width / 2])
        return float(np.interp(probability, below, edges))


def outage_capacity(es_n0_db: float, k_ratio: float, fades: float, outage: float) -> float:
    """Return the rate in bits per complex channel use that a code over ``fades`` fades exceeds, except for ``outage``.

    It is the ``outage`` quantile of the mean over the fades of log2(1 + g · Es/N0). ``fades`` need not be an integer: a
    last fade with half the symbols counts half. g is the power of a Rician fade of K factor ``k_ratio`` (0: Rayleigh
    fading; infinite: no fading, the result is the capacity).

    Raises:
        ConfigError: ``outage`` is not between 0 and 1, or ``fades`` is not a positive number.
    """
    if not (0 < outage < 1 and 0 < fades < math.inf):
        raise ConfigError(f"outage = {outage}, fades = {fades}: give a probability between 0 and 1, and fades above 0")
    return mean_rate(es_n0_db, k_ratio, fades).quantile(outage)


@lru_cache(maxsize=256)
def mean_rate(es_n0_db: float, k_ratio: float, fades: float, modulation_order: int = 0) -> RateDistribution:
    """Return the distribution of the mean rate of ``fades`` fades at the mean ``es_n0_db``.

    The rate of one fade is the Gaussian channel's capacity for ``modulation_order`` 0, otherwise the mutual information
    of Gray-mapped QAM with that many bits per symbol (``channel.phy.capacity.bicm_capacity``).
    """
    lowest, highest = (rate_at(db, modulation_order) for db in _range_db(es_n0_db, k_ratio))
    if highest - lowest < _FINEST:
        return RateDistribution(np.array([highest]), np.ones(1), _FINEST)
    full, last = (math.floor(fades), fades - math.floor(fades)) if fades > 1 else (1, 0.0)
    steps = min(_MOST_STEPS, _MOST_SUM_STEPS // min(full, MOST_FADES))
    width = (highest - lowest) / steps

    def masses(weight: float) -> Array:
        """Return the probabilities of one fade of ``weight``, in steps of ``width`` from ``weight`` · ``lowest`` on."""
        edges = lowest + width / weight * np.arange(1, math.ceil(weight * steps), dtype=np.float64)
        power = np.power(10.0, (es_n0_db_at(edges, modulation_order) - es_n0_db) / 10)
        return np.diff(np.concatenate([[0.0], power_cdf(power, k_ratio), [1.0]]))

    if full > MOST_FADES:
        return _approximate_as_normal(
            masses(1.0), lowest + width * (np.arange(steps, dtype=np.float64) + 0.5), full, last
        )
    parts = [(masses(1.0), full), (masses(last), 1)] if last * steps >= 1 else [(masses(1.0), full)]
    together = _convolve(parts)
    weight = full + (last if len(parts) > 1 else 0.0)
    copies = sum(count for _, count in parts)
    rates = (lowest * weight + width * (np.arange(len(together), dtype=np.float64) + copies / 2)) / weight
    return RateDistribution(rates, together, width / weight)


def rate_at(es_n0_db: float, modulation_order: int) -> float:
    """Return the bits per symbol of the Gaussian channel (order 0) or of QAM at ``es_n0_db``."""
    if modulation_order == 0:
        return awgn_capacity(es_n0_db)
    return float(rates_at(np.array(es_n0_db), modulation_order))


def rates_at(es_n0_db: Array, modulation_order: int) -> Array:
    """Return the bits per symbol of QAM at each ``es_n0_db``, of any shape."""
    return np.asarray(np.interp(es_n0_db, _TABLE_DB, _qam_rates(modulation_order)), dtype=np.float64)


def es_n0_db_at(rates: Array, modulation_order: int) -> Array:
    """Return the Es/N0 in dB for ``rates`` of any shape: the inverse of ``rate_at``."""
    if modulation_order == 0:
        return np.asarray(10 * np.log10(np.maximum(np.expm1(rates * math.log(2)), 1e-30)))
    return np.asarray(np.interp(rates, _qam_rates(modulation_order), _TABLE_DB), dtype=np.float64)


def power_cdf(power: Array, k_ratio: float) -> Array:
    """Return P(g < ``power``), of any shape, of a Rician fade of unit mean power (K = 0: 1 - exp(-power)).

    2 (K + 1) g has the non-central chi-square distribution with two degrees of freedom and non-centrality 2 K. From
    K = 1000 on the amplitude is approximated as normal with mean sqrt(1 - 1 / (2 (K + 1))): within one per cent of the
    probability down to 1e-5.
    """
    if k_ratio == 0:
        return np.asarray(-np.expm1(-power))
    from scipy.special import chndtr, ndtr  # noqa: PLC0415 - keeps --help quick

    if k_ratio < _NORMAL_K:
        return np.asarray(chndtr(2 * (k_ratio + 1) * power, 2, 2 * k_ratio))
    spread = math.sqrt(0.5 / (k_ratio + 1))
    return np.asarray(ndtr((np.sqrt(power) - math.sqrt(1 - spread**2)) / spread))


def _range_db(es_n0_db: float, k_ratio: float) -> tuple[float, float]:
    """Return the least and the greatest Es/N0 in dB of one fade, except for a probability of e^-32."""
    if math.isinf(k_ratio):
        return es_n0_db, es_n0_db
    sight, spread = math.sqrt(k_ratio / (k_ratio + 1)), math.sqrt(0.5 / (k_ratio + 1))
    least = max(sight - _AMPLITUDE_DEVIATIONS * spread, 1e-15)
    greatest = sight + _AMPLITUDE_DEVIATIONS * spread
    return es_n0_db + 20 * math.log10(least), es_n0_db + 20 * math.log10(greatest)


def _convolve(parts: Sequence[tuple[Array, int]]) -> Array:
    """Return the probabilities of the sum of independent variables, each taken the given number of times."""
    total = 1 + sum((len(masses) - 1) * count for masses, count in parts)
    length = 1 << (total - 1).bit_length()
    spectrum = np.prod([np.fft.rfft(masses, length) ** count for masses, count in parts], axis=0)
    together = np.maximum(np.fft.irfft(spectrum, length)[:total], 0.0)
    shares: Array = together / together.sum()
    return shares


def _approximate_as_normal(masses: Array, rates: Array, full: int, last: float) -> RateDistribution:
    """Return the normal distribution of the mean of ``full`` fades and one of weight ``last``."""
    mean = float(masses @ rates)
    deviation = math.sqrt(float(masses @ (rates - mean) ** 2) * (full + last**2)) / (full + last)
    edges = np.linspace(-8.0, 8.0, _MOST_STEPS + 1)
    below = np.array([0.5 * math.erfc(-edge / math.sqrt(2)) for edge in edges.tolist()])
    centres = mean + deviation * (edges[1:] + edges[:-1]) / 2
    return RateDistribution(centres, np.diff(below), deviation * 16 / _MOST_STEPS)


@lru_cache(maxsize=8)
def _qam_rates(modulation_order: int) -> Array:
    """Return the mutual information at ``_TABLE_DB``, made monotonic where it saturates."""
    rates: Array = np.maximum.accumulate([bicm_capacity(db, modulation_order) for db in _TABLE_DB.tolist()])
    return rates
