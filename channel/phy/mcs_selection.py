"""Selects the fastest modulation and coding scheme whose measured SNR threshold lies a margin below the given SNR.

The thresholds are data, ``mcs_thresholds.json`` beside this file. They were measured over AWGN by
``python -m benchmarks.channel.mcs_thresholds`` for the packet size that the file states. Nothing here imports torch.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from channel.phy.mcs import Mcs, mcs
from shared.errors import ConfigError

DEFAULT_MARGIN_DB = 0.5
TARGET_BLERS = (0.1, 0.001)

_FILE = Path(__file__).with_name("mcs_thresholds.json")


@dataclass(frozen=True, slots=True)
class SnrThreshold:
    """Es/N0 in dB that one scheme needs over AWGN for a block error rate of 1e-1 and of 1e-3."""

    scheme: Mcs
    es_n0_db_at_1e1: float
    es_n0_db_at_1e3: float

    def es_n0_db(self, target_bler: float) -> float:
        """Return the Es/N0 needed for ``target_bler``."""
        return self.es_n0_db_at_1e1 if target_bler == 0.1 else self.es_n0_db_at_1e3


@lru_cache(maxsize=1)
def load_thresholds() -> tuple[SnrThreshold, ...]:
    """Return the measured SNR threshold of every scheme, in the order of the MCS table."""
    rows = json.loads(_FILE.read_text(encoding="utf-8"))["schemes"]
    return tuple(SnrThreshold(mcs(row["mcs"]), row["es_n0_db_at_1e-1"], row["es_n0_db_at_1e-3"]) for row in rows)


def fastest_mcs(es_n0_db: float, *, target_bler: float = 0.001, margin_db: float = DEFAULT_MARGIN_DB) -> Mcs:
    """Return the scheme of highest spectral efficiency whose threshold plus ``margin_db`` is at most ``es_n0_db``.

    The thresholds hold for AWGN. Under fading ``es_n0_db`` is a mean SNR: include the fading margin in ``margin_db``.

    Raises:
        ConfigError: ``target_bler`` was not measured, or even the most robust scheme needs a higher SNR.
    """
    if target_bler not in TARGET_BLERS:
        raise ConfigError(f"target_bler = {target_bler}: thresholds are measured for 0.1 and 0.001: take one of them")
    within = [row for row in load_thresholds() if row.es_n0_db(target_bler) + margin_db <= es_n0_db]
    if not within:
        least = min(load_thresholds(), key=lambda row: row.es_n0_db(target_bler))
        raise ConfigError(
            f"Es/N0 = {es_n0_db:g} dB: MCS {least.scheme.index}, the most robust, needs "
            f"{least.es_n0_db(target_bler):.2f} dB and a margin of {margin_db:g} dB for BLER {target_bler:g}: "
            "raise the SNR, lower the margin, or choose an MCS yourself"
        )
    return max(within, key=lambda row: row.scheme.spectral_efficiency).scheme
