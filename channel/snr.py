"""Signal-to-noise ratios: Es/N0 per complex symbol, Eb/N0 per information bit, and the noise variance N0.

Symbols have unit mean energy, so that Es/N0 alone gives N0. Ratios are in dB unless a name says otherwise.
"""

from __future__ import annotations

import math


def es_n0_from_eb_n0_db(eb_n0_db: float, bits_per_symbol: float) -> float:
    """Return Es/N0 = Eb/N0 + 10 log10(Qm · R) in dB; ``bits_per_symbol`` is Qm · R, information bits per symbol."""
    return eb_n0_db + 10 * math.log10(bits_per_symbol)


def eb_n0_from_es_n0_db(es_n0_db: float, bits_per_symbol: float) -> float:
    """Return Eb/N0 = Es/N0 - 10 log10(Qm · R) in dB; ``bits_per_symbol`` is Qm · R, information bits per symbol."""
    return es_n0_db - 10 * math.log10(bits_per_symbol)


def snr_ratio(es_n0_db: float) -> float:
    """Return Es/N0 as a ratio instead of in dB."""
    return math.pow(10.0, es_n0_db / 10)


def noise_variance(es_n0_db: float) -> float:
    """Return N0, the noise variance per complex symbol of unit energy: N0 / 2 per real dimension."""
    return math.pow(10.0, -es_n0_db / 10)
