"""Reads picture files in any raster format of Pillow as 8-bit RGB or grey, and writes PNG files."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from shared.bitstream import PictureHeader
from shared.errors import PictureError
from shared.imaging.checks import raise_picture_errors, silence_warnings
from shared.imaging.colour import flatten_on_white
from shared.imaging.decode import check_header, read_image
from shared.imaging.levels import FULL

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from shared.imaging.levels import Levels


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """A picture in the format of the link.

    ``pixels`` is uint8: ``[height, width, 3]`` RGB, or ``[height, width]`` if all channels are equal everywhere.
    ``notes`` lists the conversions that ``load_picture`` made.
    """

    pixels: NDArray[np.uint8]
    notes: tuple[str, ...] = ()

    @property
    def grey(self) -> bool:
        """Whether the picture has one channel."""
        return self.pixels.ndim == 2

    @property
    def header(self) -> PictureHeader:
        """The header of the container and of first packets."""
        height, width = self.pixels.shape[:2]
        return PictureHeader(width, height, self.grey)


def load_picture(data: bytes, levels: Levels = FULL) -> Picture:
    """Decode a picture file: upright (EXIF), in sRGB (ICC, PNG's gAMA), flattened on white, 8 bits per channel.

    ``levels`` says which values become black and white. Of an animation or a file of several pages, the first picture
    counts. The size is checked before any pixel is decoded. ``docs/pictures.md`` has the rules.

    Raises:
        PictureError: the file is not a picture, is truncated or damaged, has a side outside 64 to 8192, or has values
            without a fixed range and ``levels`` are ``full``.
    """
    _require_content(data)
    notes: list[str] = []
    with silence_warnings(), raise_picture_errors():
        pixels = _pixels(read_image(data, levels, notes), notes)
    return Picture(_drop_equal_channels(pixels), tuple(notes))


def require_picture(data: bytes) -> None:
    """Check what a picture file's header tells, without decoding its pixels.

    Raises:
        PictureError: the file is not a picture, or has a side outside 64 to 8192.
    """
    _require_content(data)
    with silence_warnings(), raise_picture_errors():
        check_header(data)


def encode_png(pixels: NDArray[np.uint8]) -> bytes:
    """Return a PNG file of ``pixels``, uint8 ``[height, width, 3]`` or ``[height, width]``."""
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "PNG")
    return out.getvalue()


def _require_content(data: bytes) -> None:
    if not data:
        raise PictureError("this file is empty (0 bytes); give a picture file")


def _pixels(image: Image.Image, notes: list[str]) -> NDArray[np.uint8]:
    """Return uint8 ``[height, width, 3]`` or ``[height, width]``."""
    if image.mode == "La":  # Pillow converts premultiplied grey to LA only
        image = image.convert("LA")
    if image.has_transparency_data:
        return np.array(flatten_on_white(image.convert("RGBA"), notes))
    if image.mode in ("1", "L"):
        return np.array(image.convert("L"))
    if image.mode in ("CMYK", "YCbCr", "HSV", "LAB"):
        notes.append(f"{image.mode} to RGB")
    return np.array(image.convert("RGB"))


def _drop_equal_channels(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return ``pixels`` as grey ``[height, width]`` if all three channels are equal everywhere."""
    if pixels.ndim == 2:
        return pixels
    red = pixels[..., 0]
    if np.array_equal(red, pixels[..., 1]) and np.array_equal(red, pixels[..., 2]):
        return np.ascontiguousarray(red)
    return pixels
