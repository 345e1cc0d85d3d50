"""The tap tables of TR 38.901, tables 7.7.2-1 to 7.7.2-5, from the files that the simulation reads (Sionna's).

Nothing here imports Sionna or torch.
"""

from __future__ import annotations

import importlib.util
import json
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from shared.errors import SetupError

if TYPE_CHECKING:
    from numpy.typing import NDArray

_FOLDER: Final = Path("phy", "channel", "tr38901", "models", "v19_2")
LINE_OF_SIGHT_DOPPLER: Final = 0.7
"""Doppler shift of the line of sight over the largest one: TR 38.901, section 7.7.2, and Sionna's default."""


@dataclass(frozen=True, slots=True)
class Taps:
    """The taps of one profile; all powers together are 1.

    ``delays`` ``[taps]`` are over the delay spread, ``powers`` ``[taps]`` those of the scattered parts.
    ``line_of_sight_power`` belongs to delay 0; it is 0 without a line of sight.
    """

    delays: NDArray[np.float64]
    powers: NDArray[np.float64]
    line_of_sight_power: float

    @property
    def k_ratio(self) -> float:
        """K factor as a ratio: line-of-sight power over the scattered power of all taps."""
        return self.line_of_sight_power / float(self.powers.sum())


@lru_cache(maxsize=8)
def load_taps(profile: str) -> Taps:
    """Return the taps of profile "A" to "E".

    Raises:
        SetupError: Sionna, whose files these are, is not installed.
    """
    found = importlib.util.find_spec("sionna")
    if found is None or not found.submodule_search_locations:
        raise SetupError("a tapped delay line needs Sionna (sionna-no-rt): install it, or take another channel")
    file = Path(found.submodule_search_locations[0]) / _FOLDER / f"TDL-{profile}.json"
    try:
        table = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise SetupError(
            f"this Sionna has no taps of TDL-{profile} of TR 38.901 V19.2: install 2.2 or later"
        ) from error
    delays = np.array(table["delays"], dtype=np.float64)
    powers = np.power(10.0, np.array(table["powers"], dtype=np.float64) / 10)
    powers /= powers.sum()
    if table["los"]:  # the first row is the line of sight, the second one the scattered part of the same tap
        return Taps(delays[1:], powers[1:], float(powers[0]))
    return Taps(delays, powers, 0.0)
