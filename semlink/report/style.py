"""Style that all plots share: the colour and marker of a line, and the label of a measure."""

from __future__ import annotations

from typing import Any, Final

from receiver.metrics.names import MEASURES
from shared.printable import printable

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


def plain_label(name: str) -> str:
    """Return ``name`` as matplotlib shows it as it is: a pair of dollar signs would be a formula."""
    return printable(name).replace("$", r"\$")


def label_measure(name: str) -> str:
    """Return the title of a measure, its unit, and an arrow towards better values, as in ``PSNR [dB] ↑``."""
    info = MEASURES[name]
    return f"{info.title}{f' [{info.unit}]' if info.unit else ''} {info.arrow}"
