"""What commands print: tables and notes for people, or one JSON document with ``--json``."""

from __future__ import annotations

import json
import math
import sys
from typing import TYPE_CHECKING, Any

from shared.printable import printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from rich.console import Console


PIPE_COLUMNS = 160
BORDER = 3
"""Characters beside a cell: a space, a line, and a space."""


def print_json(document: Any) -> None:
    """Print ``document`` as JSON; infinite and undefined numbers become null, as JSON has none.

    All characters but ASCII are escaped, so that names which are not UTF-8 can be read back.
    """
    sys.stdout.write(json.dumps(_finite(document), indent=2) + "\n")


def print_table(
    title: str, columns: Sequence[str], rows: Sequence[Sequence[str]], *, left: bool = False, keys: int = 1
) -> None:
    """Print ``rows`` as a table; columns after the first are right-aligned, or ``left`` where they hold words.

    A table of numbers that is wider than the terminal becomes several, each with the first ``keys`` columns.
    """
    from rich.console import Console

    console = Console(width=None if sys.stdout.isatty() else PIPE_COLUMNS)  # a pipe has no width of its own
    rows = [[printable(cell) for cell in row] for row in rows]
    parts = [range(len(columns))] if left else split_columns(columns, rows, keys, console.width)
    for number, part in enumerate(parts):
        _print_part(
            console,
            "" if number else title,
            [columns[place] for place in part],
            [[row[place] for place in part] for row in rows],
            left=left,
        )


def split_columns(columns: Sequence[str], rows: Sequence[Sequence[str]], keys: int, width: int) -> list[Sequence[int]]:
    """Return the columns of each table that ``width`` characters hold: the first ``keys``, then further ones."""
    from rich.cells import cell_len

    widths = [max(map(cell_len, cells)) + BORDER for cells in zip(columns, *rows, strict=True)]
    parts: list[list[int]] = []
    for place in range(keys, len(columns)):
        if not parts or sum(widths[one] for one in (*parts[-1], place)) + 1 > width:
            parts.append(list(range(keys)))
        parts[-1].append(place)
    return [*parts] or [list(range(len(columns)))]


def _print_part(
    console: Console, title: str, columns: Sequence[str], rows: Sequence[Sequence[str]], *, left: bool
) -> None:
    from rich.table import Table
    from rich.text import Text

    heading = Text(printable(title), style="table.title") if title else None
    table = Table(title=heading, title_justify="left")
    for position, column in enumerate(columns):
        table.add_column(Text(column), justify="left" if left or position == 0 else "right", no_wrap=position == 0)
    for row in rows:
        table.add_row(*map(Text, row))  # not markup: [1, 2] is a list
    console.print(table)


def print_notes(notes: Iterable[str]) -> None:
    """Print what the user must know besides the table, one note a line."""
    for note in notes:
        print_line(f"note: {note}")


def print_line(text: str) -> None:
    """Print ``text``, whatever names it holds, on one line."""
    sys.stdout.write(f"{printable(text)}\n")


def _finite(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return value
