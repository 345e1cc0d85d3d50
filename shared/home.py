"""The home folder in paths that users write."""

from __future__ import annotations

from pathlib import Path

from shared.errors import SetupError


def expand_home(path: str | Path) -> Path:
    """Return ``path`` with the home folder in place of ``~``.

    Raises:
        SetupError: there is no such home folder.
    """
    try:
        return Path(path).expanduser()
    except RuntimeError as error:
        raise SetupError(f"{path}: there is no such home folder; give the whole path") from error
