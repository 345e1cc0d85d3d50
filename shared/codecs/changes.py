"""A codec as one caller wants it: a changed copy of its recipe."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from shared.codecs.recipe import Codec
from shared.codecs.registry import codecs
from shared.errors import ConfigError
from shared.streams import StreamKind
from shared.validation import checked, short_repr

if TYPE_CHECKING:
    from collections.abc import Mapping

STREAM_OF: Final = {"tokens": StreamKind.TOKENS, "planes": StreamKind.LATENT, "trade_off": StreamKind.LATENT}
"""What may be changed, by the recipe's names, and the stream that it is about."""


def changed(codec: Codec, changes: Mapping[str, Any]) -> Codec:
    """Return ``codec`` with ``changes`` in the place of its own values, checked as any recipe is.

    Raises:
        ConfigError: a value outside its rule, or of a stream that the codec does not send.
    """
    for name, value in changes.items():
        if why := _useless(codec, name):
            able = ", ".join(one.name for one in codecs().values() if not _useless(one, name))
            raise ConfigError(
                f"{name} = {short_repr(value)}: codec '{codec.name}' {why}; "
                f"leave it out, or choose one that takes it ({able})"
            )
    return checked(Codec, {**codec.model_dump(), **changes}) if changes else codec


def _useless(codec: Codec, name: str) -> str:
    """Return why ``codec`` has no use for the change called ``name``; nothing where it has."""
    kind = STREAM_OF[name]
    if kind not in codec.streams:
        return f"sends no {'planes of a latent' if kind is StreamKind.LATENT else kind.name.lower()}"
    return "fills its budget" if name == "trade_off" and codec.fills else ""
