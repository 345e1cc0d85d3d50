"""Cached files of a run: complete or absent, each with a record of what it was made from."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from shared.errors import SetupError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path
    from typing import BinaryIO

RECORD = "made.json"
"""Beside cached pairs, written when they are complete: what they were made from."""
FIX = "name another --runs, or delete choices.json, pairs and pairs-val there"


def write_whole(path: Path, write: Callable[[BinaryIO], object]) -> None:
    """Let ``write`` fill the file ``path``. If it is interrupted, the previous file stays."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f"{path.name}.new")
    with unfinished.open("wb") as file:
        write(file)
    unfinished.replace(path)


def write_json(path: Path, value: object) -> None:
    """Write ``value`` as JSON into ``path``, completely or not at all."""
    write_whole(path, lambda file: file.write(json.dumps(value).encode()))


def read_record(record: Path) -> dict[str, Any]:
    """Return what the cached files of ``record`` were made from; empty if there is no readable record."""
    try:
        of = json.loads(record.read_bytes())["of"]
    except (OSError, ValueError, KeyError, TypeError):
        return {}
    return of if isinstance(of, dict) else {}


def is_cached(record: Path, of: Mapping[str, object]) -> bool:
    """Return whether the cached files of ``record`` are there and were made from ``of``.

    Raises:
        SetupError: they are there and were made from something else.
    """
    known = read_record(record)
    for name, value in of.items() if known else ():
        if known.get(name) != value:
            what = record.parent if record.name == RECORD else record
            raise SetupError(f"{what} was made with {name} {known.get(name)}, not {value}: {FIX}")
    return bool(known)
