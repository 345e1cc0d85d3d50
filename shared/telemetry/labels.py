"""Labels and buckets of metrics. A label has few values, and none that a caller can invent."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from shared.codecs.builtin import BUILTIN_CODECS
from shared.codecs.registry import codecs
from shared.errors import LinkError

if TYPE_CHECKING:
    from collections.abc import Collection

UNKNOWN: Final = "unknown"
OTHER: Final = "other"
SNR_LABELS_DB: Final = (-20, 40)
"""Lowest and highest label of a signal-to-noise ratio, in whole dB; values beyond get the nearest."""

SECONDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0)
BPP: Final = (0.005, 0.01, 0.015, 0.02, 0.025, 0.03, 0.04, 0.05, 0.075, 0.1, 0.2, 0.5, 1.0)
PSNR_DB: Final = (10.0, 14.0, 18.0, 20.0, 22.0, 24.0, 26.0, 28.0, 30.0, 35.0, 40.0, 50.0)
RATIOS: Final = (0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.95, 0.98, 1.0)


def codec_label(name: str) -> str:
    """Return the label of a codec: its name if it is registered, ``unknown`` if the name is empty, else ``other``."""
    if not name:
        return UNKNOWN
    return name if name in _known_codecs() else OTHER


def _known_codecs() -> Collection[str]:
    try:
        return codecs()
    except LinkError:  # a broken package of codecs is reported when one of them is requested, not here
        return BUILTIN_CODECS


def snr_label(es_n0_db: float | None) -> str:
    """Return the label of an Es/N0: whole dB, or ``unknown`` for None and infinity."""
    if es_n0_db is None or not math.isfinite(es_n0_db):
        return UNKNOWN
    lowest, highest = SNR_LABELS_DB
    return str(min(highest, max(lowest, round(es_n0_db))))
