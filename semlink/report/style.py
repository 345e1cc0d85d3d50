"""Style that all plots share: the colour and marker of a line, and the label of a measure."""

from __future__ import annotations

from typing import Any, Final

from receiver.metrics.names import MEASURES

MARKERS: Final = "o^sDvP*X"
COLOURS: Final = 10
"""Number of colours in matplotlib's colour cycle."""


def line_style(place: int) -> dict[str, Any]:
    """Return matplotlib's arguments for the line at ``place``; lines differ in colour and in marker."""
    return {
        "color": f"C{place % COLOURS}",
        "marker": MARKERS[place % len(MARKERS)],
        "markersize": 4,
        "linewidth": 1.4,
    }


def label_measure(name: str) -> str:
    """Return the title of a measure, its unit, and an arrow towards better values, as in ``PSNR [dB] ↑``."""
    info = MEASURES[name]
    return f"{info.title}{f' [{info.unit}]' if info.unit else ''} {info.arrow}"
