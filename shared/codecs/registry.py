"""All codecs by name: those of this package and those that other packages register."""

from __future__ import annotations

from importlib.metadata import entry_points
from typing import Final

from shared.codecs.builtin import BUILTIN_CODECS, HCI
from shared.codecs.recipe import Codec
from shared.errors import SetupError, UnknownNameError

ENTRY_POINTS: Final = "semlink.codecs"
"""Group of entry points; each names a ``Codec`` object (``docs/codecs.md``)."""

DEFAULT_CODEC: Final = HCI.name


def codecs() -> dict[str, Codec]:
    """Return all codecs by name.

    Raises:
        SetupError: another package registers an object that is not a codec, or a name that is taken.
    """
    found = dict(BUILTIN_CODECS)
    for point in entry_points(group=ENTRY_POINTS):
        try:
            codec = point.load()
        except Exception as error:  # whatever another package's code raises
            raise SetupError(
                f"codec '{point.name}' ({point.value}) cannot be loaded: {error}; fix or remove it"
            ) from error
        if not isinstance(codec, Codec):
            raise SetupError(f"codec '{point.name}' ({point.value}) is a {type(codec).__name__}, not a Codec; fix it")
        if codec.name in found:
            raise SetupError(f"codec '{codec.name}' ({point.value}) has a name that is taken; rename it")
        found[codec.name] = codec
    return found


def get_codec(name: str) -> Codec:
    """Return the codec called ``name``; "" is the default codec.

    Raises:
        UnknownNameError: there is no such codec.
        SetupError: as ``codecs``.
    """
    known = codecs()
    codec = known.get(name or DEFAULT_CODEC)
    if codec is None:
        raise UnknownNameError(f"unknown codec '{name}'; known are {', '.join(known)}")
    return codec
