"""Finds the unit of a setting from its name: ``snr_db`` is in dB."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

_BY_NAME: Final[Mapping[str, str]] = MappingProxyType(
    {
        "erasure_rate": "probability",
        "p_good_to_bad": "probability per packet",
        "p_bad_to_good": "probability per packet",
        "loss_good": "probability",
        "loss_bad": "probability",
        "mcs_target_bler": "block error rate",
        "coherence_symbols": "symbols",
        "fft_size": "carriers",
        "guard_carriers_low": "carriers",
        "guard_carriers_high": "carriers",
        "cyclic_prefix": "samples",
        "slot_symbols": "OFDM symbols",
        "max_bp_iterations": "iterations",
        "repair_overhead": "repair packets per packet",
        "date": "UTC",
    }
)
_BY_ENDING: Final[Mapping[str, str]] = MappingProxyType(
    {
        "_m_s": "m/s",
        "_dbi": "dBi",
        "_db": "dB",
        "_hz": "Hz",
        "_bps": "bit/s",
        "_km": "km",
        "_deg": "°",
        "_days": "days",
        "_k": "K",
        "_w": "W",
        "_s": "s",
        "_m": "m",
        "_percent": "%",
    }
)


def unit_of(setting: str) -> str:
    """Return the unit of a setting from the last part of its (dotted) name; "" if it has none."""
    name = setting.rpartition(".")[2]
    endings = (unit for ending, unit in _BY_ENDING.items() if name.endswith(ending))
    return _BY_NAME.get(name) or next(endings, "")
