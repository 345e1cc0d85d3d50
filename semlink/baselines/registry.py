"""The classical codecs by name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from semlink.baselines.avif import Avif
from semlink.baselines.avif_esrgan import AvifEsrgan
from semlink.baselines.hevc import Hevc
from semlink.baselines.jpeg2000 import Jpeg2000
from semlink.baselines.webp import WebP
from shared.errors import UnknownNameError

if TYPE_CHECKING:
    from collections.abc import Callable

    from semlink.baselines.codec import PictureCodec

BASELINES: Final[dict[str, Callable[[], PictureCodec]]] = {
    Jpeg2000.name: Jpeg2000,
    WebP.name: WebP,
    Avif.name: Avif,
    Hevc.name: Hevc,
    AvifEsrgan.name: AvifEsrgan,
}
"""Codecs that encode and decode here. VVC is not among them: its pictures are made beforehand (``vvc.py``)."""


def load_baseline(name: str) -> PictureCodec:
    """Return the classical codec called ``name``, ready for use.

    Raises:
        UnknownNameError: there is no such codec.
        SetupError: the codec needs something that is not installed.
    """
    if name not in BASELINES:
        raise UnknownNameError(f"unknown classical codec '{name}'; known are {', '.join(BASELINES)}")
    return BASELINES[name]()
