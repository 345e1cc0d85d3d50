"""What was measured, one line of JSON per picture, codec and budget, so that a run that was cut off goes on."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any

from shared.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path

VERSION = 3
"""Raised when the measures or the baselines change, so that no old line is taken for a new one."""


@dataclass(frozen=True, slots=True)
class Row:
    """One picture by one codec at one budget. ``file`` and ``decoded`` are relative to the run's folder."""

    key: str
    picture: str
    source: str
    codec: str
    budget: str
    budget_bytes: int
    width: int
    height: int
    bytes: int
    bpp: float
    file: str
    decoded: str
    encode_s: float
    decode_s: float
    measures: dict[str, float | None] = field(default_factory=dict)


def key_of(*parts: object) -> str:
    """Return a hash of everything that a row depends on."""
    return hashlib.sha256(json.dumps([VERSION, *parts]).encode()).hexdigest()[:32]


class Results:
    """The lines of ``results.jsonl`` in ``folder``, by key."""

    def __init__(self, folder: Path) -> None:
        """Read what is there.

        Raises:
            InputError: the folder cannot be made or written to.
        """
        self.folder = folder
        self.path = folder / "results.jsonl"
        self._rows: dict[str, Row] = {}
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with self.path.open("a+") as file:
                file.seek(0)
                lines = file.read().splitlines()
                if lines and _row_in(lines[-1]) is None:  # cut off in the middle: a new line must not continue it
                    file.write("\n")
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise InputError(f"cannot write to the folder {folder}: {reason}; choose another with --save") from error
        rows = (row for row in map(_row_in, lines) if row is not None)
        self._rows = {row.key: row for row in rows}

    def found(self, key: str, source: Path) -> Row | None:
        """Return the row of ``key`` whose files are still there, None if it is to be made.

        ``source`` is where the original is seen from this run, which the run that made the row may have seen elsewhere.
        """
        row = self._rows.get(key)
        if row is None or not all((self.folder / name).is_file() for name in (row.file, row.decoded)):
            return None
        return replace(row, source=str(source))

    def add(self, row: Row) -> None:
        """Keep ``row``, on disk at once."""
        self._rows[row.key] = row
        line = {name: value for name, value in asdict(row).items() if name != "measures"}
        with self.path.open("a") as file:
            file.write(json.dumps(line | {"measures": finite(row.measures)}) + "\n")


def finite(measures: dict[str, float | None]) -> dict[str, float | None]:
    """Return ``measures`` with what JSON cannot hold, the infinite PSNR of equal pictures, as None."""
    return {name: None if value is None or abs(value) == float("inf") else value for name, value in measures.items()}


def _row_in(line: str) -> Row | None:
    try:
        values: Any = json.loads(line)
        return Row(**values) if set(values) == {one.name for one in fields(Row)} else None
    except (ValueError, TypeError):
        return None
