"""Predicted packet loss from measured SNR thresholds. Used to choose parameters, never to simulate.

Over AWGN the block error rate is Q((Es/N0 - μ) / σ) in dB, with μ and σ from ``mcs_thresholds.json``. Under fading it
is the mean of that over the effective SNR of a packet: the SNR of an AWGN channel with the packet's mean mutual
information (MIESM: Brueninghaus et al., "Link performance models for system level simulations of broadband radio
access systems", PIMRC 2005). Nothing here imports torch.
"""

from __future__ import annotations

import math
from functools import lru_cache
from statistics import NormalDist
from typing import TYPE_CHECKING, Final

import numpy as np

from channel.phy.capacity import required_es_n0_db
from channel.phy.mcs import transport_block
from channel.phy.mcs_selection import DEFAULT_MARGIN_DB, load_thresholds
from channel.phy.outage import es_n0_db_at, mean_rate, rates_at

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from channel.config import ChannelConfig
    from channel.phy.mcs import Mcs
    from channel.propagation.base import PropagationSettings

_MEASURED_BYTES: Final = 256  # packet size of mcs_thresholds.json
_NORMAL: Final = NormalDist()
_Z_1E1, _Z_1E3 = _NORMAL.inv_cdf(1 - 0.1), _NORMAL.inv_cdf(1 - 0.001)


def predict_packet_loss(config: ChannelConfig, scheme: Mcs, packet_bytes: int) -> float:
    """Return the predicted probability that a packet of ``packet_bytes`` under ``scheme`` is lost over ``config``.

    It includes block errors at ``DEFAULT_MARGIN_DB`` below the given SNR, independent erasures, the mean loss of bursts
    and of periodic outages, and expiry. Outages at listed times and the gain of a Polar code are not modelled.
    """
    es_n0_db = config.es_n0_db - DEFAULT_MARGIN_DB
    lost = predict_block_error_rate(scheme, es_n0_db, config.propagation, packet_bytes, config.symbol_rate_hz)
    return 1 - (1 - lost) * kept_after_decoding(config, scheme, packet_bytes)


def kept_after_decoding(config: ChannelConfig, scheme: Mcs, packet_bytes: int) -> float:
    """Return the probability that a packet is neither erased nor late, whatever the noise."""
    uses = config.propagation.channel_uses(transport_block(packet_bytes, scheme).channel_uses)
    air_time_s = uses / config.symbol_rate_hz
    bursts, outages = config.impairments.bursts, config.impairments.outages
    kept = (1 - config.erasure_rate) * (1 - (bursts.loss_rate if bursts else 0.0))
    kept *= 1 - (outages.loss_rate(air_time_s) if outages else 0.0)
    return kept * (1 - _expiry_rate(config, air_time_s))


@lru_cache(maxsize=4096)
def predict_block_error_rate(
    scheme: Mcs, es_n0_db: float, propagation: PropagationSettings, packet_bytes: int, symbol_rate_hz: float = 1e6
) -> float:
    """Return the predicted block error rate of a packet of ``packet_bytes`` bytes at the mean ``es_n0_db``.

    ``symbol_rate_hz`` sets the subcarrier spacing of a tapped delay line; other propagation does not depend on it.
    """
    block = transport_block(packet_bytes, scheme)
    middle_db, sigma_db = _waterfall_db(scheme, block.payload_bytes)
    if math.isinf(propagation.k_ratio):
        return 0.5 * math.erfc((es_n0_db - middle_db) / (sigma_db * math.sqrt(2)))
    order = scheme.modulation_order
    drawn = propagation.element_snr(es_n0_db, block.channel_uses, symbol_rate_hz)
    if drawn is not None:
        return min(1.0, float(drawn[1] @ scheme_error_rates(scheme, packet_bytes, drawn[0])))
    found = mean_rate(es_n0_db, propagation.k_ratio, propagation.fades(block.channel_uses), order)
    return min(1.0, float(found.masses @ error_rates_at(scheme, packet_bytes, found.rates)))


def scheme_error_rates(scheme: Mcs, packet_bytes: int, snr: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the block error rates ``[draws]`` of a packet whose parts have the SNRs ``snr`` ``[draws, parts]``."""
    return error_rates_at(scheme, packet_bytes, rates_at(10 * np.log10(snr), scheme.modulation_order).mean(axis=1))


def error_rates_at(scheme: Mcs, packet_bytes: int, rates: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the block error rates, of any shape, of a packet with the mean mutual information ``rates``."""
    from scipy.special import ndtr  # noqa: PLC0415 - keeps --help quick

    middle_db, sigma_db = _waterfall_db(scheme, transport_block(packet_bytes, scheme).payload_bytes)
    return np.asarray(ndtr((middle_db - es_n0_db_at(rates, scheme.modulation_order)) / sigma_db))


def _expiry_rate(config: ChannelConfig, air_time_s: float) -> float:
    """Return the probability that a packet arrives after its lifetime: propagation delay, air time and jitter."""
    if config.lifetime_s is None:
        return 0.0
    left_s = config.lifetime_s - config.propagation_delay_s - air_time_s
    if left_s < 0:
        return 1.0
    jitter = config.impairments.jitter
    return math.exp(-left_s / jitter.mean_s) if jitter and jitter.mean_s else 0.0


def _waterfall_db(scheme: Mcs, payload_bytes: int) -> tuple[float, float]:
    """Return μ and σ in dB of the waterfall."""
    at_1e1_db, at_1e3_db = _thresholds_db(scheme, payload_bytes)
    sigma_db = (at_1e3_db - at_1e1_db) / (_Z_1E3 - _Z_1E1)
    return at_1e1_db - _Z_1E1 * sigma_db, sigma_db


@lru_cache(maxsize=4096)
def _thresholds_db(scheme: Mcs, payload_bytes: int) -> tuple[float, float]:
    """Return the Es/N0 in dB for block error rates of 1e-1 and 1e-3.

    They were measured for 256 bytes. For other sizes they are shifted by the difference of the normal approximations.
    """
    row = next(row for row in load_thresholds() if row.scheme == scheme)
    measured = row.es_n0_db_at_1e1, row.es_n0_db_at_1e3
    if payload_bytes == _MEASURED_BYTES:
        return measured
    first, second = (
        known
        + _normal_approximation_db(scheme, payload_bytes, bler)
        - _normal_approximation_db(scheme, _MEASURED_BYTES, bler)
        for known, bler in zip(measured, (0.1, 0.001), strict=True)
    )
    return first, second


@lru_cache(maxsize=4096)
def _normal_approximation_db(scheme: Mcs, payload_bytes: int, bler: float) -> float:
    block = transport_block(payload_bytes, scheme)
    return required_es_n0_db(block.information_bits, block.channel_uses, bler, scheme.modulation_order)
