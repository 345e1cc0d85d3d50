"""Limits of coding: capacity of AWGN and of QAM, the normal approximation for short blocks, outage under fading.

All rates are in information bits per channel use, that is per complex symbol; ``es_n0_db`` is Es/N0 in dB. The normal
approximation is that of Polyanskiy, Poor and Verdú, "Channel coding rate in the finite blocklength regime", IEEE
Trans. Inf. Theory 56(5), 2010. Nothing here imports torch.
"""

from __future__ import annotations

import math
from functools import lru_cache
from statistics import NormalDist
from typing import TYPE_CHECKING

import numpy as np

from channel.snr import snr_ratio
from shared.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

_QUADRATURE_POINTS = 64  # per noise dimension
_SEARCH_DB = (-60.0, 100.0)
_LOG2_E = math.log2(math.e)
_NORMAL = NormalDist()


def awgn_capacity(es_n0_db: float) -> float:
    """Return log2(1 + Es/N0), the capacity of the complex AWGN channel (Shannon 1948)."""
    return math.log1p(snr_ratio(es_n0_db)) * _LOG2_E


def awgn_dispersion(es_n0_db: float) -> float:
    """Return the dispersion of the complex AWGN channel under a power constraint, in bits² per channel use.

    V = S (S + 2) / (S + 1)² · log2² e with S = Es/N0: twice that of the real channel in theorem 54 of Polyanskiy,
    Poor and Verdú (2010), because one complex symbol is two real ones of the same SNR.
    """
    snr = snr_ratio(es_n0_db)
    return snr * (snr + 2) / (snr + 1) ** 2 * _LOG2_E**2


def qam_capacity(es_n0_db: float, modulation_order: int) -> float:
    """Return the mutual information of equiprobable square QAM with ``modulation_order`` bits per symbol.

    The two real dimensions are independent PAM alphabets, each integrated by Gauss-Hermite quadrature. This is the
    coded-modulation capacity. The demapper's bitwise LLRs lose a little of it; see ``bicm_capacity``.

    Raises:
        ConfigError: the constellation is not square QAM of 2 to 10 bits per symbol.
    """
    return 2 * _pam_information(es_n0_db, modulation_order)[0]


def qam_dispersion(es_n0_db: float, modulation_order: int) -> float:
    """Return the variance of the information density of equiprobable square QAM, in bits² per channel use.

    Raises:
        ConfigError: the constellation is not square QAM of 2 to 10 bits per symbol.
    """
    return 2 * _pam_information(es_n0_db, modulation_order)[1]


def bicm_capacity(es_n0_db: float, modulation_order: int) -> float:
    """Return the sum over the bits of Gray-mapped square QAM of I(bit; received symbol).

    It is the limit of a demapper that gives the decoder one LLR per bit (Caire, Taricco and Biglieri, "Bit-interleaved
    coded modulation", IEEE Trans. Inf. Theory 44(3), 1998).

    Raises:
        ConfigError: the constellation is not square QAM of 2 to 10 bits per symbol.
    """
    levels, scale = _pam(modulation_order)
    likelihood, weights = _pam_likelihoods(es_n0_db, levels * scale)
    gray = np.arange(len(levels)) ^ (np.arange(len(levels)) >> 1)
    loss = 0.0
    for bit in range(modulation_order // 2):
        same = ((gray[:, None] >> bit) & 1) == ((gray[None, :] >> bit) & 1)
        sum_same = (likelihood * same[:, None, :]).sum(axis=2)
        loss += float((np.log2(likelihood.sum(axis=2) / sum_same) * weights).sum(axis=1).mean())
    return modulation_order - 2 * loss


def normal_approximation_bler(
    information_bits: int, channel_uses: int, es_n0_db: float, modulation_order: int = 0
) -> float:
    """Return the block error rate of ``information_bits`` in ``channel_uses`` complex symbols, between 0 and 1.

    By the normal approximation, ε ≈ Q((C - k / n + log2(2 n) / (2 n)) · sqrt(n / V)), with 2 n the number of real
    symbols (Polyanskiy, Poor and Verdú 2010). C and V are those of the Gaussian channel for ``modulation_order`` 0,
    otherwise those of equiprobable QAM with that many bits per symbol. It is an approximation, not a bound: below about
    a hundred symbols neither codes nor converse bounds follow it closely.

    Raises:
        ConfigError: there is no channel use, or the QAM is not square.
    """
    _check_block(channel_uses, 0.5)
    capacity, dispersion = _capacity_and_dispersion(es_n0_db, modulation_order)
    rate = information_bits / channel_uses
    margin = capacity - rate + math.log2(2 * channel_uses) / (2 * channel_uses)
    if dispersion <= 0:
        return float(margin < 0)
    return _NORMAL.cdf(-margin * math.sqrt(channel_uses / dispersion))


def required_es_n0_db(
    information_bits: int, channel_uses: int, bler: float | None = None, modulation_order: int = 0
) -> float:
    """Return the least Es/N0 in dB for ``information_bits`` in ``channel_uses``.

    With ``bler`` it follows from the normal approximation; without, from capacity, the limit of infinitely long blocks.

    Raises:
        ConfigError: as ``normal_approximation_bler``, ``bler`` is not between 0 and 1, or no SNR is sufficient.
    """
    _check_block(channel_uses, 0.5 if bler is None else bler)
    rate = information_bits / channel_uses

    def is_enough(es_n0_db: float) -> bool:
        if bler is None:
            return _capacity_and_dispersion(es_n0_db, modulation_order)[0] >= rate
        return normal_approximation_bler(information_bits, channel_uses, es_n0_db, modulation_order) <= bler

    return _find_least_db(is_enough, f"{rate:.3f} bits per channel use")


def rayleigh_outage(rate: float, es_n0_db: float) -> float:
    """Return P(log2(1 + |h|² Es/N0) < ``rate``) for |h|² exponential with mean 1.

    It is the least block error rate of any long code over one Rayleigh coefficient (Tse and Viswanath, "Fundamentals
    of Wireless Communication", section 5.4.1).
    """
    return -math.expm1(-math.expm1(rate * math.log(2)) / snr_ratio(es_n0_db))


def _capacity_and_dispersion(es_n0_db: float, modulation_order: int) -> tuple[float, float]:
    if modulation_order == 0:
        return awgn_capacity(es_n0_db), awgn_dispersion(es_n0_db)
    return qam_capacity(es_n0_db, modulation_order), qam_dispersion(es_n0_db, modulation_order)


def _check_block(channel_uses: int, bler: float) -> None:
    if channel_uses < 1:
        raise ConfigError(f"channel_uses = {channel_uses}: must be at least 1")
    if not 0 < bler < 1:
        raise ConfigError(f"bler = {bler}: must lie between 0 and 1")


def _find_least_db(is_enough: Callable[[float], bool], what: str) -> float:
    low, high = _SEARCH_DB
    if not is_enough(high):
        raise ConfigError(f"{what} is more than this modulation carries at any SNR: take a higher order")
    while high - low > 1e-4:
        middle = (low + high) / 2
        low, high = (low, middle) if is_enough(middle) else (middle, high)
    return high


def _pam(modulation_order: int) -> tuple[NDArray[np.float64], float]:
    """Return the odd integer levels of one dimension of square QAM and the factor to energy 1/2."""
    if modulation_order % 2 or not 2 <= modulation_order <= 10:
        raise ConfigError(f"modulation_order = {modulation_order}: square QAM has 2, 4, 6, 8 or 10 bits per symbol")
    size = 2 ** (modulation_order // 2)
    levels = np.arange(1 - size, size, 2, dtype=np.float64)
    return levels, float(1 / math.sqrt(2 * np.mean(levels**2)))


def _pam_likelihoods(es_n0_db: float, points: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return p(y | point) / p(y | sent point) ``[sent, noise, point]`` and the weights of the ``noise`` nodes.

    The noise has variance N0 / 2, so exp(-n² / N0) is the weight function of Gauss-Hermite quadrature.
    """
    nodes, weights = _hermite_nodes()
    noise = nodes * math.pow(10.0, -es_n0_db / 20)  # n = sqrt(N0) · node
    distance = points[:, None, None] - points[None, None, :] + noise[None, :, None]
    exponent = (noise[None, :, None] ** 2 - distance**2) * snr_ratio(es_n0_db)
    return np.exp(np.minimum(exponent, 700.0)), weights / math.sqrt(math.pi)


@lru_cache(maxsize=1)
def _hermite_nodes() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    return np.polynomial.hermite.hermgauss(_QUADRATURE_POINTS)


@lru_cache(maxsize=4096)  # capacity and dispersion need the same values, and searches start at the same points
def _pam_information(es_n0_db: float, modulation_order: int) -> tuple[float, float]:
    """Return mean and variance of the information density of one dimension of square QAM."""
    levels, scale = _pam(modulation_order)
    likelihood, weights = _pam_likelihoods(es_n0_db, levels * scale)
    density = math.log2(len(levels)) - np.log2(likelihood.sum(axis=2))
    mean = float((density * weights).sum(axis=1).mean())
    square = float((density**2 * weights).sum(axis=1).mean())
    return mean, max(0.0, square - mean**2)
