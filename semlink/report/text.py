"""Numbers, rates, intervals and tables as text."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from shared.printable import printable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from semlink.sweep.summary import Interval


def format_number(value: float | None, digits: int) -> str:
    """Return ``value`` with ``digits`` decimals; a dash if it is None or not a number."""
    return "-" if value is None or math.isnan(value) else f"{value:.{digits}f}"


def format_interval(interval: Interval | None, digits: int) -> str:
    """Return a value and half the width of its interval, as in ``26.10 ±0.21``; a dash if there is no value."""
    if interval is None:
        return "-"
    spread = "" if interval.low is None else f" ±{interval.half_width:.{digits}f}"
    return f"{format_number(interval.value, digits)}{spread}"


def format_count(count: int, pictures: int) -> str:
    """Return how many pictures a mean is over, as in `` (7)``; empty if it is all of them, or none."""
    return f" ({count})" if 0 < count < pictures else ""


def format_rate(kind: str, rate: float) -> str:
    """Return a rate of a sweep with its unit."""
    formats = {"channel_uses": f"{rate:.0f} uses", "cbr": f"CBR {rate:g}", "bpp": f"{rate:g} bpp"}
    return formats.get(kind) or (f"{rate:.0f} bytes" if rate else "codec's own")


def markdown_table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return ``rows`` as a Markdown table. Columns after the first are right-aligned."""
    # rich draws tables for terminals only, and the package tabulate would replace these three lines.
    cells = [[printable(cell).replace("|", r"\|") for cell in line] for line in (columns, *rows)]
    lines = [cells[0], ["---"] + ["---:"] * (len(columns) - 1), *cells[1:]]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def remove_common_columns(
    columns: Sequence[str], rows: Sequence[Sequence[str]], always: Sequence[str]
) -> tuple[str, list[str], list[list[str]]]:
    """Return a table without the columns that have one value in all rows, and before it these values as text.

    Columns in ``always`` stay.
    """
    common = {
        place
        for place, column in enumerate(columns)
        if column not in always and len(rows) > 1 and len({row[place] for row in rows}) == 1
    }
    text = ", ".join(f"{columns[place]} {rows[0][place]}" for place in sorted(common))
    kept = [place for place in range(len(columns)) if place not in common]
    return text, [columns[place] for place in kept], [[row[place] for place in kept] for row in rows]
