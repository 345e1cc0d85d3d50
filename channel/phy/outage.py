"""What a packet's fades carry together: the distribution of the mean of their rates, and its outage.

One fade of power g carries I(g · Es/N0) bits per symbol, with I the capacity of the Gaussian channel or the mutual
information of QAM; a code over several fades carries their mean, each weighed by its symbols (Ozarow, Shamai and Wyner,
"Information theoretic considerations for cellular mobile radio", IEEE Trans. Veh. Technol. 43(2), 1994). The
distribution is computed, not drawn: the closed form of one fade, convolved with itself. Nothing here imports torch.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Final

import numpy as np

from channel.phy.capacity import bicm_capacity
from shared.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Array = NDArray[np.float64]

MOST_FADES: Final = 512
"""Beyond so many fades their mean is taken as normal, with the variance that it has."""
_MOST_STEPS, _MOST_SUM_STEPS = 4096, 1 << 17  # of the rate of one fade, and of the sum over all
_AMPLITUDE_DEVIATIONS = 8.0  # a fade lies further from its line of sight with a probability of e^-32
_NORMAL_K: Final = 1000.0  # from here on a Rician amplitude is as good as normal, and its series slow
_TABLE_DB: Final = np.arange(-60.0, 60.01, 0.25)
_FINEST: Final = 1e-12  # bits; rates closer than that are one


@dataclass(frozen=True, slots=True)
class RateDistribution:
    """Rates ``[steps]`` in bits per symbol, ascending, and the probability ``[steps]`` of each; ``width`` apart."""

    rates: Array
    masses: Array
    width: float

    def quantile(self, probability: float) -> float:
        """Return the rate below which the mean over the fades lies with ``probability``."""
        below = np.concatenate([[0.0], np.cumsum(self.masses)])
        edges = np.concatenate([self.rates - self.width / 2, self.rates[-1:] + self.width / 2])
        return float(np.interp(probability, below, edges))


def outage_capacity(es_n0_db: float, k_ratio: float, fades: float, outage: float) -> float:
    """Return the rate in bits per complex channel use that a code over ``fades`` fades exceeds but for ``outage``.

    The ``outage`` quantile of the mean over the fades of log2(1 + g · Es/N0). ``fades`` need not be whole: a last fade
    of half the symbols counts half. g is that of a Rician fade of factor ``k_ratio`` (0: Rayleigh, infinite: none, then
    it is the capacity).

    Raises:
        ConfigError: ``outage`` is not a probability, or there is no fade.
    """
    if not (0 < outage < 1 and 0 < fades < math.inf):
        raise ConfigError(f"outage = {outage}, fades = {fades}: give a probability above 0 and below 1, and fades")
    return mean_rate(es_n0_db, k_ratio, fades).quantile(outage)


@lru_cache(maxsize=256)
def mean_rate(es_n0_db: float, k_ratio: float, fades: float, modulation_order: int = 0) -> RateDistribution:
    """Return the distribution of the mean rate of ``fades`` fades at the mean ``es_n0_db``.

    ``modulation_order`` 0 takes the Gaussian channel's capacity as the rate of one fade, otherwise the mutual
    information of Gray-mapped QAM of so many bits per symbol (``channel.phy.capacity.bicm_capacity``).
    """
    lowest, highest = (rate_at(db, modulation_order) for db in _range_db(es_n0_db, k_ratio))
    if highest - lowest < _FINEST:
        return RateDistribution(np.array([highest]), np.ones(1), _FINEST)
    whole, last = (math.floor(fades), fades - math.floor(fades)) if fades > 1 else (1, 0.0)
    steps = min(_MOST_STEPS, _MOST_SUM_STEPS // min(whole, MOST_FADES))
    width = (highest - lowest) / steps

    def masses(weight: float) -> Array:
        """Return those of one fade of ``weight``, over steps of ``width`` from ``weight`` · ``lowest`` on."""
        edges = lowest + width / weight * np.arange(1, math.ceil(weight * steps), dtype=np.float64)
        power = np.power(10.0, (es_n0_db_at(edges, modulation_order) - es_n0_db) / 10)
        return np.diff(np.concatenate([[0.0], power_cdf(power, k_ratio), [1.0]]))

    if whole > MOST_FADES:
        return _normal(masses(1.0), lowest + width * (np.arange(steps, dtype=np.float64) + 0.5), whole, last)
    parts = [(masses(1.0), whole), (masses(last), 1)] if last * steps >= 1 else [(masses(1.0), whole)]
    together = _convolved(parts)
    weight = whole + (last if len(parts) > 1 else 0.0)
    copies = sum(count for _, count in parts)
    rates = (lowest * weight + width * (np.arange(len(together), dtype=np.float64) + copies / 2)) / weight
    return RateDistribution(rates, together, width / weight)


def rate_at(es_n0_db: float, modulation_order: int) -> float:
    """Return the bits per symbol that the Gaussian channel (order 0) or QAM carries at ``es_n0_db``."""
    if modulation_order == 0:
        return math.log1p(math.pow(10.0, es_n0_db / 10)) / math.log(2)
    return float(np.interp(es_n0_db, _TABLE_DB, _qam_rates(modulation_order)))


def es_n0_db_at(rates: Array, modulation_order: int) -> Array:
    """Return the Es/N0 in dB at which ``rates`` of any shape are carried: the inverse of ``rate_at``."""
    if modulation_order == 0:
        return np.asarray(10 * np.log10(np.maximum(np.expm1(rates * math.log(2)), 1e-30)))
    return np.asarray(np.interp(rates, _qam_rates(modulation_order), _TABLE_DB), dtype=np.float64)


def power_cdf(power: Array, k_ratio: float) -> Array:
    """Return P(g < ``power``), of any shape, of a Rician fade of unit mean power (K = 0: 1 - exp(-power)).

    2 (K + 1) g has the non-central chi-square distribution of two degrees of freedom and non-centrality 2 K. From K =
    1000 on the amplitude is taken as normal about sqrt(1 - 1 / (2 (K + 1))): good to a per cent of the probability down
    to 1e-5.
    """
    if k_ratio == 0:
        return np.asarray(-np.expm1(-power))
    from scipy.special import chndtr, ndtr  # noqa: PLC0415 - keeps --help quick

    if k_ratio < _NORMAL_K:
        return np.asarray(chndtr(2 * (k_ratio + 1) * power, 2, 2 * k_ratio))
    spread = math.sqrt(0.5 / (k_ratio + 1))
    return np.asarray(ndtr((np.sqrt(power) - math.sqrt(1 - spread**2)) / spread))


def _range_db(es_n0_db: float, k_ratio: float) -> tuple[float, float]:
    """Return the least and the greatest Es/N0 in dB that one fade leaves but for a probability of e^-32."""
    if math.isinf(k_ratio):
        return es_n0_db, es_n0_db
    sight, spread = math.sqrt(k_ratio / (k_ratio + 1)), math.sqrt(0.5 / (k_ratio + 1))
    least = max(sight - _AMPLITUDE_DEVIATIONS * spread, 1e-15)
    greatest = sight + _AMPLITUDE_DEVIATIONS * spread
    return es_n0_db + 20 * math.log10(least), es_n0_db + 20 * math.log10(greatest)


def _convolved(parts: Sequence[tuple[Array, int]]) -> Array:
    """Return the masses of the sum of all, each taken so many times."""
    total = 1 + sum((len(masses) - 1) * count for masses, count in parts)
    length = 1 << (total - 1).bit_length()
    spectrum = np.prod([np.fft.rfft(masses, length) ** count for masses, count in parts], axis=0)
    together = np.maximum(np.fft.irfft(spectrum, length)[:total], 0.0)
    shares: Array = together / together.sum()
    return shares


def _normal(masses: Array, rates: Array, whole: int, last: float) -> RateDistribution:
    """Return the normal distribution of the mean of ``whole`` fades and of one that counts ``last``."""
    mean = float(masses @ rates)
    deviation = math.sqrt(float(masses @ (rates - mean) ** 2) * (whole + last**2)) / (whole + last)
    edges = np.linspace(-8.0, 8.0, _MOST_STEPS + 1)
    below = np.array([0.5 * math.erfc(-edge / math.sqrt(2)) for edge in edges.tolist()])
    centres = mean + deviation * (edges[1:] + edges[:-1]) / 2
    return RateDistribution(centres, np.diff(below), deviation * 16 / _MOST_STEPS)


@lru_cache(maxsize=8)
def _qam_rates(modulation_order: int) -> Array:
    """Return the mutual information at ``_TABLE_DB``, never falling: it saturates."""
    rates: Array = np.maximum.accumulate([bicm_capacity(db, modulation_order) for db in _TABLE_DB.tolist()])
    return rates
