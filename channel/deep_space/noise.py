"""Radio brightness of the sky: cosmic background, atmosphere and the Sun's disc."""

from __future__ import annotations

from typing import Final

import numpy as np

COSMIC_BACKGROUND_K: Final = 2.725  # Stelzried, Freiley and Reid, "System Noise Concepts with DSN Applications", 2.1
MEDIUM_TEMPERATURE_K: Final = 275.0  # mean radiating temperature of atmosphere and rain, ITU-R P.618-13, section 3
SUN_DIAMETER_KM: Final = 1_391_400.0  # IAU 2015 nominal solar radius, 695,700 km

# The quiet Sun, read from the figure of extra-terrestrial noise sources in ITU-R P.372-14; log-log between the points.
_QUIET_SUN: Final = (
    (1e8, 1e6),
    (2e8, 1e6),
    (1e9, 2e5),
    (3e9, 4.5e4),
    (5e9, 2e4),
    (1e10, 1e4),
    (2e10, 7e3),
    (4e10, 6e3),
    (1e11, 6e3),
)


def quiet_sun_k(frequency_hz: float) -> float:
    """Return the brightness temperature of the quiet Sun's disc, constant beyond 100 MHz and 100 GHz.

    An active Sun has several times as much at S-band and about twice at X-band.
    """
    frequencies_hz, temperatures_k = np.log(np.array(_QUIET_SUN)).T
    return float(np.exp(np.interp(np.log(frequency_hz), frequencies_hz, temperatures_k)))
