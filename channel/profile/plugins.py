"""What third parties add to the channel, by entry points of packages installed beside it; see ``docs/profiles.md``."""

from __future__ import annotations

from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any, Final

from shared.errors import SetupError

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

CHANNELS: Final = "semlink.channels"
"""Group of channel profiles: each entry point is a function without arguments that returns the profile's YAML."""

PROPAGATIONS: Final = "semlink.propagations"
"""Group of propagation models: each entry point is a ``channel.propagation.kinds.PropagationSettings``, named by its kind."""


def plugin_names(group: str) -> list[str]:
    """Return the names that installed packages add to ``group``, in order."""
    return sorted(entry_points(group=group).names)


def plugin(group: str, name: str) -> Any | None:
    """Return what an installed package calls ``name`` in ``group``; None where none does.

    Raises:
        SetupError: it cannot be imported.
    """
    found = next(iter(entry_points(group=group, name=name)), None)
    return None if found is None else _loaded(found)


def _loaded(found: EntryPoint) -> Any:
    try:
        return found.load()
    except Exception as error:
        raise SetupError(f"{named(found.group, found.name)} cannot be imported: {short(error)}") from error


def named(group: str, name: str) -> str:
    """Return a plug-in in words: its name, and which package to mend or remove."""
    found = next(iter(entry_points(group=group, name=name)), None)
    package = found.dist.name if found is not None and found.dist is not None else "an unknown package"
    return f"'{name}' of {group} in the package {package}"


def short(error: BaseException) -> str:
    """Return an error on one line."""
    return f"{type(error).__name__}: {' '.join(str(error).split())}"
