"""Results on disk: one line of JSON per picture, codec and budget, so that an interrupted evaluation can continue."""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import asdict, dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any

from shared.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path

VERSION = 4
"""Raise it when measures or baselines change, so that results of earlier versions are not reused."""

ADDED = ("models", "models_sha256")
"""Fields that rows of earlier versions lack. Their key holds the hash of the weights too."""


@dataclass(frozen=True, slots=True)
class EvaluationRow:
    """Result of one picture with one codec at one budget.

    ``source`` is the path of the original. ``file`` and ``decoded`` are the encoded file and the decoded PNG, relative
    to the evaluation's folder. ``models`` and ``models_sha256`` say which models were used
    (``semlink/pipeline/models_used.py``).
    """

    key: str
    picture: str
    source: str
    codec: str
    budget: str
    max_bytes: int
    width: int
    height: int
    bytes: int
    bpp: float
    file: str
    decoded: str
    encode_s: float
    decode_s: float
    measures: dict[str, float | None] = field(default_factory=dict)
    models: str = ""
    models_sha256: str = ""


def hash_key(*parts: object) -> str:
    """Return a hash of everything that a row depends on."""
    return hashlib.sha256(json.dumps([VERSION, *parts]).encode()).hexdigest()[:32]


class ResultFile:
    """The rows in ``results.jsonl`` of ``folder``, by key."""

    def __init__(self, folder: Path) -> None:
        """Make the folder and read its rows.

        Raises:
            InputError: the folder cannot be made or written to.
        """
        self.folder = folder
        self.path = folder / "results.jsonl"
        self._rows: dict[str, EvaluationRow] = {}
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with self.path.open("a+") as file:
                file.seek(0)
                lines = file.read().splitlines()
                if lines and _parse_row(lines[-1]) is None:  # cut off in the middle: new rows start on a new line
                    file.write("\n")
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise InputError(f"cannot write to the folder {folder}: {reason}; choose another with --out") from error
        rows = (row for row in map(_parse_row, lines) if row is not None)
        self._rows = {row.key: row for row in rows}

    def find(self, key: str, source: Path) -> EvaluationRow | None:
        """Return the row of ``key`` if both of its files exist, else None.

        ``source`` is the original's path in this run. The run that made the row may have had another one.
        """
        row = self._rows.get(key)
        if row is None or not all((self.folder / name).is_file() for name in (row.file, row.decoded)):
            return None
        return replace(row, source=str(source))

    def add(self, row: EvaluationRow) -> None:
        """Add ``row`` and write it to disk at once."""
        self._rows[row.key] = row
        with self.path.open("a") as file:
            file.write(json.dumps(asdict(row), allow_nan=False) + "\n")


def drop_undefined(measures: dict[str, float | None]) -> dict[str, float | None]:
    """Return ``measures`` with None for what is not a finite number, such as depth δ1 where all depths are 0."""
    return {name: value if value is not None and math.isfinite(value) else None for name, value in measures.items()}


def _parse_row(line: str) -> EvaluationRow | None:
    """Return the row in ``line``; None if the line is damaged or of another version."""
    try:
        values: Any = json.loads(line)
        names = {one.name for one in fields(EvaluationRow)}
        return EvaluationRow(**values) if names - set(ADDED) <= set(values) <= names else None
    except (ValueError, TypeError):
        return None
