"""The decoders by name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from receiver.decoders.upsample import UpsampleDecoder
from shared.errors import UnknownNameError

if TYPE_CHECKING:
    from receiver.decoders.base import Decoder

DECODER_NAMES: Final = ("pocket", UpsampleDecoder.name)
DEFAULT_DECODER: Final = DECODER_NAMES[0]


def check_decoder(name: str) -> None:
    """Check that ``name`` is a decoder's, or empty, without loading anything.

    Raises:
        UnknownNameError: there is no such decoder.
    """
    if name and name not in DECODER_NAMES:
        raise UnknownNameError(f"unknown decoder '{name}'; known are {', '.join(DECODER_NAMES)}")


def load_decoder(name: str, device: str = "") -> Decoder:
    """Return the decoder ``name``, ready for use; the empty name is the default decoder. Loading takes seconds.

    ``device`` is where it computes; the empty text leaves that to the decoder.

    Raises:
        UnknownNameError: there is no such decoder.
        SetupError: its weights or the device are missing.
        LimitError: the memory of the device is too small.
    """
    check_decoder(name)
    if name == UpsampleDecoder.name:
        return UpsampleDecoder()
    from receiver.pocket.decoder import PocketDecoder  # noqa: PLC0415 - the other decoder needs no torch

    pocket = PocketDecoder(device)
    pocket.load()
    return pocket
