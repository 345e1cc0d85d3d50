"""How likely a packet is lost, foretold from the measured requirement of its scheme: for choices, not for results.

Over AWGN the block error rate is Q((Es/N0 - μ) / σ) in dB, with μ and σ from ``mcs_thresholds.json``. Under fading it
is the mean of that over the SNR that a packet meets. Nothing here imports torch.
"""

from __future__ import annotations

import math
from functools import lru_cache
from statistics import NormalDist
from typing import TYPE_CHECKING, Final

import numpy as np

from channel.adaptation import DEFAULT_MARGIN_DB, requirements
from channel.mcs import transport_block
from shared.errors import ConfigError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from channel.config import ChannelConfig
    from channel.mcs import Mcs
    from channel.propagation import PropagationSettings

DRAWS: Final = 2000
_SEED: Final = 38_214
_MOST_BLOCKS: Final = 64  # beyond so many fades in one packet the mean hardly varies
_NORMAL: Final = NormalDist()
_Z_1E1, _Z_1E3 = _NORMAL.inv_cdf(1 - 0.1), _NORMAL.inv_cdf(1 - 0.001)


def packet_loss(config: ChannelConfig, scheme: Mcs, packet_bytes: int) -> float:
    """Return the probability that a packet of ``packet_bytes`` under ``scheme`` does not arrive over ``config``.

    Block errors ``DEFAULT_MARGIN_DB`` below the given SNR, independent erasures and the mean loss of bursts; outages
    and expiry are left out. The requirements are those of 256-byte packets.
    """
    symbols = transport_block(packet_bytes, scheme).channel_uses
    es_n0_db = config.es_n0_db - DEFAULT_MARGIN_DB
    arrives = 1 - block_error_rate(scheme, es_n0_db, config.propagation, symbols)
    bursts = config.impairments.bursts
    return 1 - arrives * (1 - config.erasure_rate) * (1 - (bursts.loss_rate if bursts else 0.0))


@lru_cache(maxsize=4096)
def block_error_rate(scheme: Mcs, es_n0_db: float, propagation: PropagationSettings, symbols: int) -> float:
    """Return the block error rate of a packet of ``symbols`` complex symbols at the mean ``es_n0_db``.

    Fades within a packet count by their mean capacity, all alike, also a shorter last one. A tapped delay line is taken
    for one flat fade, which leaves out its diversity over frequency.
    """
    row = next(row for row in requirements() if row.scheme == scheme)
    sigma_db = (row.es_n0_db_at_1e3 - row.es_n0_db_at_1e1) / (_Z_1E3 - _Z_1E1)
    middle_db = row.es_n0_db_at_1e1 - _Z_1E1 * sigma_db
    met_db = _met_es_n0_db(es_n0_db, propagation.k_ratio, min(propagation.fades(symbols), _MOST_BLOCKS))
    tails = (math.erfc((db - middle_db) / (sigma_db * math.sqrt(2))) for db in met_db.tolist())
    return 0.5 * math.fsum(tails) / met_db.size


def outage_capacity(es_n0_db: float, k_ratio: float, fades: int, outage: float) -> float:
    """Return the rate in bits per complex channel use that a code over ``fades`` fades exceeds but for ``outage``.

    The ``outage`` quantile of the mean over the fades of log2(1 + g · Es/N0) (Ozarow, Shamai and Wyner, "Information
    theoretic considerations for cellular mobile radio", IEEE Trans. Veh. Technol. 43(2), 1994), g of a Rician fade of
    factor ``k_ratio`` (0: Rayleigh, infinite: none, then it is the capacity). From ``DRAWS`` seeded draws.

    Raises:
        ConfigError: ``outage`` is not a probability, or there is no fade.
    """
    if not (0 < outage < 1 and fades >= 1):
        raise ConfigError(f"outage = {outage}, fades = {fades}: give a probability above 0 and below 1, and 1 or more")
    return float(np.quantile(np.log2(1 + _ratio(_met_es_n0_db(es_n0_db, k_ratio, fades))), outage, method="lower"))


@lru_cache(maxsize=256)
def _met_es_n0_db(es_n0_db: float, k_ratio: float, fades: int) -> NDArray[np.float64]:
    """Return draws ``[draws]`` of the Es/N0 in dB of an AWGN channel whose capacity is that over ``fades`` fades."""
    if math.isinf(k_ratio):
        return np.array([es_n0_db])
    scattered = np.random.default_rng(_SEED).standard_normal((DRAWS, fades, 2)) * math.sqrt(0.5 / (k_ratio + 1))
    scattered[..., 0] += math.sqrt(k_ratio / (k_ratio + 1))
    power = np.square(scattered).sum(axis=2)
    capacity = np.log2(1 + power * math.pow(10.0, es_n0_db / 10)).mean(axis=1)
    return np.asarray(10 * np.log10(np.maximum(np.exp2(capacity) - 1, 1e-30)))


def _ratio(decibels: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.power(10.0, decibels / 10)
