"""Style that plots and tables share: the colour and marker of a line, the label and the value of a measure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from receiver.metrics.names import MEASURES
from semlink.report.text import format_count, format_interval
from shared.printable import printable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from semlink.sweep.summary import PointSummary

MARKERS: Final = "o^sDvP*X"
COLOURS: Final = 10
"""Number of colours in matplotlib's colour cycle."""
MAX_LEGEND_COLUMNS: Final = 4
CHARACTERS_PER_INCH: Final = 13.5
"""Characters of a small font."""
LEGEND_LINE: Final = 6
"""Characters that the line before a label takes, with the space between two columns."""


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


def legend_columns(labels: Sequence[str], inches: float) -> int:
    """Return how many ``labels`` stand beside each other in the legend of a figure, 1 to 4."""
    longest = max(map(len, labels), default=0)
    return max(1, min(MAX_LEGEND_COLUMNS, int(inches * CHARACTERS_PER_INCH / (longest + LEGEND_LINE))))


def format_measure(point: PointSummary, name: str) -> str:
    """Return a point's mean of a measure, and of how many pictures if some lack it: ``0.912 ±0.004 (7)``."""
    count = format_count(point.measured.get(name, 0), len(point.pictures))
    return format_interval(point.measures.get(name), MEASURES[name].decimals) + count


def label_measure(name: str) -> str:
    """Return the title of a measure, its unit, and an arrow towards better values, as in ``PSNR [dB] ↑``."""
    info = MEASURES[name]
    return f"{info.title}{f' [{info.unit}]' if info.unit else ''} {info.arrow}"
