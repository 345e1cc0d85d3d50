"""Trust maps as pictures: at the picture's size, in colour, and over the picture."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Final

import numpy as np
from PIL import Image

from shared.picture import encode_png

if TYPE_CHECKING:
    from numpy.typing import NDArray

BLOCK: Final = 16
"""Picture pixels per pixel of a trust map as the receiver sends it, in each direction."""
CIVIDIS: Final = (
    (0, 34, 78),
    (26, 56, 111),
    (67, 78, 108),
    (97, 101, 111),
    (125, 124, 120),
    (155, 148, 118),
    (188, 174, 108),
    (222, 201, 88),
    (254, 232, 56),
)
"""Nine colours of matplotlib's cividis (Nuñez, Anderton, Renslow 2018), made for colour-blind readers too."""
OVERLAY: Final = 0.5
"""Share of the trust map's colour in an overlay; the picture in grey has the rest."""


def enlarge_trust_map(trust_png: bytes, width: int, height: int) -> bytes:
    """Return a trust map as a grey PNG of ``width`` × ``height``, 0 (invented) to 255 (received)."""
    return encode_png(_read_at(trust_png, width, height))


def colour_trust_map(trust_png: bytes, width: int, height: int) -> bytes:
    """Return a trust map as a PNG of ``width`` × ``height``, from blue (invented) to yellow (received)."""
    return encode_png(_colour_table()[_read_at(trust_png, width, height)])


def overlay_trust_map(picture_png: bytes, trust_png: bytes) -> bytes:
    """Return the picture in grey, tinted by its trust map: blue where it is invented, yellow where it was received.

    The map is one of ``enlarge_trust_map``, of the picture's size.
    """
    grey, trust = _read_grey(picture_png), _read_grey(trust_png)
    colours = _colour_table()[trust]
    return encode_png((OVERLAY * colours + (1 - OVERLAY) * grey[..., None]).round().astype(np.uint8))


def _read_at(trust_png: bytes, width: int, height: int) -> NDArray[np.uint8]:
    """Return a trust map ``[height, width]``; the blocks at the right and at the bottom may be cut."""
    return _read_grey(trust_png).repeat(BLOCK, axis=0).repeat(BLOCK, axis=1)[:height, :width]


def _read_grey(png: bytes) -> NDArray[np.uint8]:
    """Return a picture as ``[H, W]``."""
    with Image.open(io.BytesIO(png)) as image:
        return np.asarray(image.convert("L"))


def _colour_table() -> NDArray[np.uint8]:
    """Return the colour of each trust ``[256, 3]``."""
    places = np.linspace(0, 255, len(CIVIDIS))
    colours = [np.interp(np.arange(256), places, channel) for channel in zip(*CIVIDIS, strict=True)]
    return np.stack(colours, axis=1).round().astype(np.uint8)
