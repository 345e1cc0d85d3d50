"""Channels and kinds of propagation of third parties, found by the entry points of installed packages.

See ``docs/profiles.md``.
"""

from __future__ import annotations

from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any, Final

from shared.errors import SetupError

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

CHANNELS: Final = "semlink.channels"
"""Group of channel profiles: an entry point is a function without arguments that returns a profile's YAML."""
PROPAGATIONS: Final = "semlink.propagations"
"""Group of propagation kinds: an entry point is a ``channel.propagation.base.PropagationKind``, named by its kind."""


def plugin_names(group: str) -> list[str]:
    """Return the names that installed packages add to ``group``, in order."""
    return sorted(entry_points(group=group).names)


def load_plugin(group: str, name: str) -> Any | None:
    """Return the object that an installed package calls ``name`` in ``group``; None if there is none.

    Raises:
        SetupError: it cannot be imported.
    """
    found = _find(group, name)
    if found is None:
        return None
    try:
        return found.load()
    except Exception as error:
        raise SetupError(f"{describe_plugin(group, name)} cannot be imported: {one_line(error)}") from error


def describe_plugin(group: str, name: str) -> str:
    """Return a plug-in's name, group and package as words for a message."""
    found = _find(group, name)
    package = found.dist.name if found is not None and found.dist is not None else "an unknown package"
    return f"'{name}' of {group} in the package {package}"


def one_line(error: BaseException) -> str:
    """Return an error's type and message on one line."""
    return f"{type(error).__name__}: {' '.join(str(error).split())}"


def _find(group: str, name: str) -> EntryPoint | None:
    return next(iter(entry_points(group=group, name=name)), None)
