"""Files that a run keeps: whole or not there, and never taken for those of other pictures."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from shared.errors import SetupError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path
    from typing import BinaryIO

RECORD = "made.json"
"""Beside kept pairs, written when they are whole: what they were made of."""
WAY_OUT = "name another --runs, or delete choices.json, pairs and pairs-val there"


def write_whole(path: Path, write: Callable[[BinaryIO], object]) -> None:
    """Have ``write`` fill the file ``path``; one that is cut off leaves what was there before."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f"{path.name}.new")
    with unfinished.open("wb") as file:
        write(file)
    unfinished.replace(path)


def write_json(path: Path, value: object) -> None:
    """Write ``value`` as JSON into ``path``, whole or not at all."""
    write_whole(path, lambda file: file.write(json.dumps(value).encode()))


def made_of(record: Path) -> dict[str, Any]:
    """Return what the file ``record`` says that something was made of; nothing where it is not there."""
    try:
        of = json.loads(record.read_bytes())["of"]
    except (OSError, ValueError, KeyError, TypeError):
        return {}
    return of if isinstance(of, dict) else {}


def is_kept(record: Path, of: Mapping[str, object]) -> bool:
    """Return whether what ``record`` tells of is there, made of ``of``.

    Raises:
        SetupError: it is there, and was made of something else.
    """
    known = made_of(record)
    for name, value in of.items() if known else ():
        if known.get(name) != value:
            what = record.parent if record.name == RECORD else record
            raise SetupError(f"{what} was made with {name} {known.get(name)}, not {value}: {WAY_OUT}")
    return bool(known)
