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

STREAM_OF: Final = {"tokens": StreamKind.TOKENS, "planes": StreamKind.LATENT}
"""What may be changed, by the recipe's names, and the stream that it is about."""


def changed(codec: Codec, changes: Mapping[str, Any]) -> Codec:
    """Return ``codec`` with ``changes`` in the place of its own values, checked as any recipe is.

    Raises:
        ConfigError: a value outside its rule, or of a stream that the codec does not send.
    """
    for name, value in changes.items():
        if STREAM_OF[name] not in codec.streams:
            able = ", ".join(one.name for one in codecs().values() if STREAM_OF[name] in one.streams)
            raise ConfigError(
                f"{name} = {short_repr(value)}: codec '{codec.name}' sends no {_words(STREAM_OF[name])}; "
                f"leave it out, or choose one that does ({able})"
            )
    return checked(Codec, {**codec.model_dump(), **changes}) if changes else codec


def _words(kind: StreamKind) -> str:
    return "planes of a latent" if kind is StreamKind.LATENT else kind.name.lower()
