"""What a caller of the Python API may hand in: pictures and channels in their usual forms."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from shared.errors import InputError, LinkError, PictureError
from shared.files import read_file
from shared.printable import printable

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from numpy.typing import NDArray
    from PIL import Image

    PictureInput: TypeAlias = str | Path | bytes | Image.Image | NDArray[Any]
    ChannelInput: TypeAlias = str | Path | Mapping[str, Any]


_PNG_MODES = ("1", "L", "LA", "P", "RGB", "RGBA", "I;16")
_TIFF_MODES = ("I", "F", "CMYK", "LAB", "YCbCr")
"""Modes that PNG does not hold without loss."""


@dataclass(frozen=True, slots=True)
class PictureFile:
    """A picture as the bytes of a file, and notes on the conversions that made it from what was given."""

    data: bytes
    notes: tuple[str, ...] = ()


@contextlib.contextmanager
def name_picture(picture: object, kind: type[LinkError] = PictureError) -> Iterator[None]:
    """Put the name of ``picture``, if it is a path, before the message of an error of ``kind`` in the block."""
    try:
        yield
    except kind as error:
        if not isinstance(picture, str | Path) or str(error).startswith(f"{printable(picture)}: "):
            raise
        raise kind(f"{picture}: {error}") from error


def picture_file(picture: PictureInput, levels: str = "full") -> PictureFile:
    """Return ``picture`` as a file: a path, a file's bytes, a Pillow image, or an array ``[H, W, 3]`` or ``[H, W]``.

    Arrays are uint8, or uint16 and floating point, which ``levels`` turn into 8 bits.

    Raises:
        InputError: it is none of these, or cannot be read.
        ConfigError: the levels are not ``full``, ``auto`` or ``LOW:HIGH``.
    """
    if isinstance(picture, bytes):
        return change_levels(picture, levels)
    if isinstance(picture, str | Path):
        with name_picture(picture):
            return change_levels(read_file(Path(picture)), levels)
    import numpy as np  # noqa: PLC0415

    if isinstance(picture, np.ndarray):
        return _array_file(picture, levels)
    return change_levels(_image_bytes(picture), levels)


def change_levels(data: bytes, levels: str) -> PictureFile:
    """Return the picture file ``data`` with ``levels``: as it is if they are full, else as an 8-bit PNG file.

    Raises:
        PictureError: it is not a picture.
        ConfigError: the levels are not ``full``, ``auto`` or ``LOW:HIGH``.
    """
    if levels == "full":
        return PictureFile(data)
    from shared.imaging.levels import parse_levels  # noqa: PLC0415 - imports numpy
    from shared.picture import encode_png, load_picture  # noqa: PLC0415 - imports Pillow

    picture = load_picture(data, parse_levels(levels))
    return PictureFile(encode_png(picture.pixels), picture.notes)


def _array_file(array: NDArray[Any], levels: str) -> PictureFile:
    from shared.imaging.levels import FULL, parse_levels, to_eight_bit, values_of  # noqa: PLC0415 - imports numpy
    from shared.picture import encode_png  # noqa: PLC0415 - imports Pillow

    if array.dtype not in ("uint8", "uint16", "float32", "float64") or not array.size or not _is_picture(array.shape):
        raise InputError(
            f"an array of {array.dtype} {list(array.shape)}: give uint8, or uint16 or floating point with levels, "
            "[height, width, 3] or [height, width]"
        )
    wanted, notes = parse_levels(levels), list[str]()
    if array.dtype != "uint8" or wanted != FULL:
        array = to_eight_bit(values_of(array, 8 * array.dtype.itemsize), wanted, notes)
    return PictureFile(encode_png(array), tuple(notes))


def _is_picture(shape: tuple[int, ...]) -> bool:
    return len(shape) >= 2 and shape[2:] in ((), (3,))


def _image_bytes(image: Any) -> bytes:
    import io  # noqa: PLC0415

    from PIL import Image  # noqa: PLC0415

    if not isinstance(image, Image.Image):
        raise InputError(f"{type(image).__name__} is no picture: give a path, bytes, a Pillow image or a uint8 array")
    out = io.BytesIO()
    try:
        exact = image.mode in (*_PNG_MODES, *_TIFF_MODES)
        writable = image if exact else image.convert({"La": "LA", "RGBa": "RGBA", "PA": "RGBA"}.get(image.mode, "RGB"))
        file_format = "TIFF" if image.mode in _TIFF_MODES else "PNG"
        writable.save(out, file_format, exif=image.getexif())  # with its orientation, as in a file
    except (OSError, ValueError) as error:
        raise InputError(f"this Pillow image cannot be read: {error}; give an intact image") from error
    return out.getvalue()
