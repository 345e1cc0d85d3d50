"""How many packets of a picture are lost together under fading that goes on from packet to packet.

Over such fading the loss rate itself varies from picture to picture. It is taken to have a beta distribution with the
mean of the loss model and the correlation of two packets' losses, so that the number of lost packets is beta-binomial
(Skellam, "A probability distribution derived from the binomial distribution by regarding the probability of success as
variable between the sets of trials", J. R. Stat. Soc. B 10(2), 1948). ``docs/radio.md`` compares it with simulated
fading. Nothing here imports torch.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import TYPE_CHECKING, Final

import numpy as np

from channel.link.channel_uses import packet_uses
from channel.link.loss_model import error_rates_at, kept_after_decoding, predict_block_error_rate
from channel.phy.mcs_selection import DEFAULT_MARGIN_DB
from channel.phy.outage import rates_at

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from channel.config import ChannelConfig
    from channel.phy.mcs import Mcs
    from channel.propagation.base import PropagationSettings

    Array = NDArray[np.float64]

_LEAST: Final = 1e-3  # correlation; below it losses count as independent
_MOST: Final = 0.995
_STATES: Final = 24  # exact for up to 47 packets: the probabilities are polynomials of the loss rate
_TURNS_RAD: Final = np.array(
    [0.003, 0.01, 0.03, 0.06, 0.1, 0.16, 0.25, 0.35, 0.5, 0.7, 1.0, 1.4, 1.9, 2.4, 3.1, 3.8, 4.6, 5.5, 7.0, 10.0]
)
"""2 π f_D t between two packets for which correlations are computed; later ones are not correlated."""


@lru_cache(maxsize=4096)
def loss_states(packet_loss: float, correlation: float) -> tuple[Array, Array]:
    """Return loss rates ``[states]`` of a picture and the probability ``[states]`` of each.

    Given the state packets are lost independently. The mean rate is ``packet_loss``; ``correlation`` is that of the
    losses of two packets. States are the nodes of a Gauss-Jacobi quadrature (Golub and Welsch, "Calculation of Gauss
    quadrature rules", Math. Comp. 23, 1969).
    """
    if correlation < _LEAST or not 0 < packet_loss < 1:
        return np.array([packet_loss]), np.ones(1)
    spread = 1 / min(correlation, _MOST) - 1
    lost, kept = packet_loss * spread, (1 - packet_loss) * spread
    k = np.arange(1.0, _STATES)
    total = 2 * k + spread
    diagonal = (lost - kept) * (spread - 2) / ((total - 2) * total)
    across = (k + kept - 1) * (k + lost - 1) / ((total - 1) * (total - 2) ** 2)
    across[0] = lost * kept / (spread**2 * (spread + 1))
    across[1:] *= k[1:] * (k[1:] + spread - 2) / (total[1:] - 3)
    beside = 2 * np.sqrt(across)
    matrix = np.diag(np.concatenate([[(lost - kept) / spread], diagonal])) + np.diag(beside, 1) + np.diag(beside, -1)
    nodes, vectors = np.linalg.eigh(matrix)
    return np.clip((1 + nodes) / 2, 0.0, 1.0), vectors[0] ** 2


def more_lost_than(
    repairs: NDArray[np.int64], sources: int, packet_loss: float, correlation: Array
) -> NDArray[np.float64]:
    """Return the probability that more than ``repairs`` of ``sources + repairs`` packets are lost, for each number.

    ``correlation`` has one value for each number of repairs.
    """
    from scipy.special import bdtr  # noqa: PLC0415 - keeps --help quick

    found = np.empty(len(repairs))
    for one in np.unique(correlation):
        rates, masses = loss_states(packet_loss, float(one))
        alike = correlation == one
        some = repairs[alike][:, None]
        found[alike] = 1 - bdtr(some, sources + some, rates) @ masses
    return np.clip(found, 0.0, 1.0)


def predict_loss_correlation(
    config: ChannelConfig, scheme: Mcs, packet_bytes: int, packets: NDArray[np.int64]
) -> Array:
    """Return the mean correlation of the losses of two of ``packets`` packets in a row, for each number of packets.

    It is rounded to steps of 5 %, and 0 where packets are lost independently.
    """
    most = int(packets.max())
    air_time_s = packet_uses(packet_bytes, scheme, config) / config.symbol_rate_hz
    lags = np.arange(1, max(most, 2), dtype=np.float64)
    if math.isinf(config.propagation.turn_rad_s):
        return np.zeros(len(packets))
    table = _correlation_table(
        scheme, config.es_n0_db - DEFAULT_MARGIN_DB, config.propagation, packet_bytes, config.symbol_rate_hz
    )
    turns_rad = np.maximum(config.propagation.turn_rad_s * air_time_s * lags, _TURNS_RAD[0])
    by_lag = np.interp(np.log(turns_rad), np.log(_TURNS_RAD), table, right=0.0)
    by_lag *= _share_of_fading(config, scheme, packet_bytes)
    pairs = np.cumsum(by_lag), np.cumsum(by_lag * lags)  # n packets have n - lag pairs at each lag
    last = np.maximum(packets, 2) - 2
    count = last + 2
    mean = 2 * (count * pairs[0][last] - pairs[1][last]) / (count * (count - 1))
    steps = np.round(np.log(np.clip(mean, _LEAST / 2, 1.0)) / 0.05)
    return np.where(mean < _LEAST, 0.0, np.minimum(np.exp(0.05 * steps), _MOST))


@lru_cache(maxsize=4096)
def _correlation_table(
    scheme: Mcs, es_n0_db: float, propagation: PropagationSettings, packet_bytes: int, symbol_rate_hz: float
) -> Array:
    """Return the correlation of the block errors of two packets for each of ``_TURNS_RAD``."""
    found = np.zeros(len(_TURNS_RAD))
    for place, turn_rad in enumerate(_TURNS_RAD.tolist()):
        drawn = _pair_rates(scheme.modulation_order, es_n0_db, propagation, symbol_rate_hz, turn_rad)
        if drawn is None:
            break
        lost = error_rates_at(scheme, packet_bytes, drawn[0])
        mean = float(drawn[1] @ lost.mean(axis=1))
        if 0 < mean < 1:
            found[place] = (float(drawn[1] @ lost.prod(axis=1)) - mean**2) / (mean * (1 - mean))
    return np.clip(found, 0.0, 1.0)


@lru_cache(maxsize=1024)
def _pair_rates(
    modulation_order: int, es_n0_db: float, propagation: PropagationSettings, symbol_rate_hz: float, turn_rad: float
) -> tuple[Array, Array] | None:
    """Return the mutual information ``[draws, 2]`` of two packets, and the probability of each draw."""
    drawn = propagation.pair_snr(es_n0_db, symbol_rate_hz, turn_rad)
    if drawn is None:
        return None
    return rates_at(10 * np.log10(drawn[0]), modulation_order).mean(axis=-1), drawn[1]


def _share_of_fading(config: ChannelConfig, scheme: Mcs, packet_bytes: int) -> float:
    """Return the share of the variance of a packet's loss that block errors make: erasures come independently."""
    es_n0_db = config.es_n0_db - DEFAULT_MARGIN_DB
    lost = predict_block_error_rate(scheme, es_n0_db, config.propagation, packet_bytes, config.symbol_rate_hz)
    kept = kept_after_decoding(config, scheme, packet_bytes)
    decoded = 1 - lost
    spread = decoded * kept * (1 - decoded * kept)
    return kept**2 * lost * decoded / spread if spread > 0 else 0.0
