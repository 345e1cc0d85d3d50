"""The packages that Semlink installs beside ``semlink``: they must be its own, not another distribution's."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Final

PACKAGES: Final = ("shared", "sender", "channel", "receiver", "models")


def require_neighbours() -> None:
    """Check that each package of ``PACKAGES`` that can be imported stands beside ``semlink``.

    Raises:
        SetupError: Python would import another package of that name.
    """
    home = Path(__file__).resolve().parents[1]
    for name in PACKAGES:
        places = _places(name)
        if places and home not in {place.parent for place in places}:
            raise _setup_error(
                home,
                f"Python imports '{name}' from {places[0]}, not from {home}, where semlink is installed: "
                f"another package is called '{name}'; install semlink in a virtual environment of its own",
            )


def is_installed(name: str) -> bool:
    """Return whether the package ``name`` is installed beside ``semlink``; an image of one service lacks the others."""
    home = Path(__file__).resolve().parents[1]
    return home in {place.parent for place in _places(name)}


def _places(name: str) -> list[Path]:
    specification = importlib.util.find_spec(name)
    if specification is None:
        return []
    return [Path(place).resolve() for place in specification.submodule_search_locations or ()]


def _setup_error(home: Path, message: str) -> Exception:
    """Return a SetupError from our own file: ``shared`` itself may be the foreign package."""
    specification = importlib.util.spec_from_file_location("semlink._shared_errors", home / "shared" / "errors.py")
    if specification is None or specification.loader is None:
        return ImportError(message)
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    error: Exception = module.SetupError(message)
    return error
