"""Reads files up to a size limit, and writes files so that no half-written file remains."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Final

from shared.errors import InputError
from shared.rpc.limits import MAX_PICTURE_BYTES

if TYPE_CHECKING:
    import re
    from collections.abc import Collection

_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT})


def read_file(path: Path) -> bytes:
    """Return the bytes of ``path``.

    Raises:
        InputError: it is not a regular file, cannot be read, or exceeds the services' limit.
    """
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise InputError(f"{path} is not a file; give an existing file")
        with path.open("rb") as source:
            data = source.read(MAX_PICTURE_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise InputError(f"cannot read {path}: {reason}; give an existing file") from error
    if len(data) > MAX_PICTURE_BYTES:
        raise InputError(f"{path} is larger than {MAX_PICTURE_BYTES} bytes, the limit of a service: shrink it")
    return data


def write_file(path: Path | str, data: bytes) -> None:
    """Write ``data`` to a temporary file in the same folder, then rename it to ``path``.

    Raises:
        InputError: the file cannot be written.
    """
    try:
        target = Path(os.path.realpath(path))  # keeps a symbolic link
        if target.exists() and not target.is_file():
            raise InputError(f"cannot write {path}: it exists and is not a file; give another name")
        temporary = target.with_name(f".{secrets.token_hex(8)}.tmp")
        try:
            _write_new(temporary, data)
            temporary.replace(target)
        finally:
            with contextlib.suppress(OSError):
                temporary.unlink()
    except OSError as error:
        hint = "free some space there, or give another place" if error.errno in _FULL else "give another place"
        raise InputError(f"cannot write {path}: {error.strerror}; {hint}") from error
    except ValueError as error:  # a null character, or an empty name
        raise InputError(f"cannot write {str(path)!r}: {error}; give a file name") from error


def write_or_remove(path: Path, data: bytes) -> None:
    """Write ``data`` to ``path``. Without data, remove an older file there, so that it does not pass for a result.

    Raises:
        InputError: the file cannot be written or removed.
    """
    if data:
        write_file(path, data)
    else:
        remove_file(path)


def remove_file(path: Path) -> None:
    """Remove ``path``, if it is there.

    Raises:
        InputError: it cannot be removed.
    """
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise InputError(
            f"cannot remove the older {path}: {error.strerror}; remove it, or give another name"
        ) from error


def remove_older(folder: Path, names: re.Pattern[str], new: Collection[str]) -> None:
    """Remove the files in ``folder`` whose names match ``names``, except those called ``new``.

    The files of one run are a set. Those of an earlier run, of another length, must not stand beside them.

    Raises:
        InputError: a file cannot be removed.
    """
    for path in sorted(folder.iterdir()):
        if names.fullmatch(path.name) and path.name not in new and path.is_file():
            remove_file(path)


def _write_new(path: Path, data: bytes) -> None:
    with path.open("xb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
