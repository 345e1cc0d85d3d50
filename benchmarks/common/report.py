"""What reports share: the machine, tables, writing."""

from __future__ import annotations

import os
import platform
from typing import TYPE_CHECKING

from semlink.report.text import markdown_table
from shared.files import write_file

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path


def describe_machine() -> str:
    """Return the number and kind of CPU cores."""
    return f"{os.cpu_count()} {platform.machine()} cores"


def make_table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return a Markdown table without a final line break."""
    return markdown_table(header, [[str(cell) for cell in row] for row in rows]).removesuffix("\n")


class TablePrinter:
    """A Markdown table whose rows are printed as they come."""

    def __init__(self, *header: str) -> None:
        self._text = make_table(header, []) + "\n"
        print(self._text, end="", flush=True)

    def add(self, *row: object) -> None:
        """Print a row."""
        line = f"| {' | '.join(map(str, row))} |\n"
        self._text += line
        print(line, end="", flush=True)

    def write(self, out: Path | None) -> None:
        """Write the table to ``out`` if that is given."""
        if out is not None:
            write_file(out, self._text.encode())


def write_report(text: str, out: Path | None) -> None:
    """Print ``text``, and write it to ``out`` if that is given."""
    text = text.removesuffix("\n") + "\n"
    if out is not None:
        write_file(out, text.encode())
    print(text, end="", flush=True)
