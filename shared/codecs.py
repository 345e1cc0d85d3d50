"""Codecs: recipes that name the guidance streams of a picture and how they are made.

Both ends know the same recipes. A recipe says which streams a sender makes; the receiver needs none of it to decode,
because every stream says what it is.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from shared.errors import UnknownNameError


@dataclass(frozen=True, slots=True)
class Codec:
    """A recipe.

    ``hci_coder`` forces one HCI coder; None lets the measured rate table choose. ``default_bpp`` sets the byte budget
    of a caller who names none.
    """

    name: str
    summary: str
    hci_coder: str | None = None
    default_bpp: float = 0.03


CODECS: Final = {
    codec.name: codec
    for codec in (
        Codec("hci", "highly compressed image, by whichever coder measures better at the rate"),
        Codec("hci-av1", "highly compressed image as a stripped AV1 still", hci_coder="av1"),
        Codec("hci-learned", "highly compressed image by the learned coder with integer decoding", hci_coder="learned"),
    )
}

DEFAULT_CODEC: Final = "hci"


def codec_named(name: str) -> Codec:
    """Return the codec called ``name``; the empty name is the default one.

    Raises:
        UnknownNameError: there is no such codec.
    """
    codec = CODECS.get(name or DEFAULT_CODEC)
    if codec is None:
        raise UnknownNameError(f"unknown codec '{name}'; known are {', '.join(CODECS)}")
    return codec
