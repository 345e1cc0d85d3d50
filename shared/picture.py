"""Reads picture files in any raster format of Pillow as 8-bit RGB or grey, and writes PNG files."""

from __future__ import annotations

import contextlib
import io
import threading
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from PIL import ExifTags, Image, ImageOps, TiffImagePlugin, UnidentifiedImageError

from shared.bitstream import MAX_SIDE, MIN_SIDE, PictureHeader
from shared.errors import LinkError, PictureError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray


# Vector formats. Pillow runs Ghostscript on an EPS file, and the file could then run code.
_NOT_RASTER: Final = frozenset({"EPS", "WMF"})
_WHITE_16: Final = 65535
_pillow_warnings = threading.Lock()


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


def load_picture(data: bytes) -> Picture:
    """Decode a picture file: rotated upright (EXIF), flattened on white, 8 bits per channel.

    An animation gives its first frame. The size is checked before any pixel is decoded.

    Raises:
        PictureError: the file is not a picture, is truncated or damaged, has a side outside 64 to 8192, or has values
            without a fixed range.
    """
    if not data:
        raise PictureError("this file is empty (0 bytes); give a picture file")
    notes: list[str] = []
    with _silence_pillow(), _raise_picture_errors(), _open(data) as image:
        _require_size(image)
        # Check before load(), which drops the tile list.
        deep = ";16" in repr(getattr(image, "tile", ())) or image.mode.startswith("I")
        if _is_animated(image):
            notes.append("first frame only")
        turned = _is_turned(image)  # checked again below: load() rotates a TIFF, and finds a PNG's tag
        image.load()
        _require_size(image)  # icon formats choose their size while loading
        if image.info.get("icc_profile"):
            notes.append("ICC profile ignored")
        upright = ImageOps.exif_transpose(image) if _is_turned(image) else image
        if turned or upright is not image:
            notes.append("EXIF orientation applied")
        pixels = _pixels(upright, notes)
    if deep:
        notes.append("16 bit to 8 bit")
    return Picture(_drop_equal_channels(pixels), tuple(notes))


def encode_png(pixels: NDArray[np.uint8]) -> bytes:
    """Return a PNG file of ``pixels``, uint8 ``[height, width, 3]`` or ``[height, width]``."""
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "PNG")
    return out.getvalue()


@contextlib.contextmanager
def _silence_pillow() -> Iterator[None]:
    """Ignore Pillow's warnings, which would print source code on the user's terminal.

    All threads share the list of filters, so this takes a lock and filters Pillow's modules only.
    """
    with _pillow_warnings, warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=r"PIL\.")
        yield


@contextlib.contextmanager
def _raise_picture_errors() -> Iterator[None]:
    """Turn everything that Pillow raises for a damaged file into a PictureError."""
    try:
        yield
    except LinkError:
        raise
    except UnidentifiedImageError as error:
        raise PictureError(
            "this is not a picture in a format that Pillow reads, or its header is damaged; give a PNG, JPEG or TIFF"
        ) from error
    except Image.DecompressionBombError as error:
        raise PictureError(
            f"too many pixels: {_one_line(error)}; the link carries {MIN_SIDE} to {MAX_SIDE} on a side; resize it first"
        ) from error
    except Exception as error:  # Pillow's decoders raise a dozen types for damaged files, none documented
        raise PictureError(
            f"this picture cannot be decoded ({_one_line(error)}): it is damaged or of an unusual kind; save it again "
            "as PNG"
        ) from error


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:200].rstrip(".") or type(error).__name__


def _open(data: bytes) -> Image.Image:
    """Identify the file and parse its header."""
    Image.init()
    return Image.open(io.BytesIO(data), formats=[name for name in Image.OPEN if name not in _NOT_RASTER])


def _require_size(image: Image.Image) -> None:
    if not all(MIN_SIDE <= side <= MAX_SIDE for side in image.size):
        raise PictureError(
            f"this file is {image.width}x{image.height} pixels; the link carries {MIN_SIDE} to {MAX_SIDE} on a side; "
            "resize it first"
        )
    # libtiff decodes whole tiles: a 64x64 picture in one tile of 46336x46336 takes 2 GiB.
    tags = getattr(image, "tag_v2", {})
    tile = [tags.get(tag, 0) for tag in (TiffImagePlugin.TILEWIDTH, TiffImagePlugin.TILELENGTH)]
    if max(tile) > MAX_SIDE:
        raise PictureError(
            f"this TIFF's tiles are {tile[0]}x{tile[1]} pixels; at most {MAX_SIDE} on a side; save it as PNG"
        )


def _is_animated(image: Image.Image) -> bool:
    """Whether there is a second frame. If a later frame is damaged, the first one is still used."""
    try:
        return bool(getattr(image, "is_animated", False))
    except Exception:  # noqa: BLE001 - see _raise_picture_errors
        image.seek(0)
        return False


def _is_turned(image: Image.Image) -> bool:
    """Whether a readable EXIF tag gives an orientation other than upright."""
    try:
        return image.getexif().get(ExifTags.Base.Orientation, 1) in range(2, 9)
    except Exception:  # noqa: BLE001 - see _raise_picture_errors; a damaged tag does not spoil the pixels
        return False


def _pixels(image: Image.Image, notes: list[str]) -> NDArray[np.uint8]:
    """Return uint8 ``[height, width, 3]`` or ``[height, width]``."""
    if image.mode.startswith("I"):
        return _to_eight_bit(np.array(image), image.info.get("transparency"), notes)
    if image.mode == "F":
        raise PictureError(
            "this picture has floating-point values, which have no fixed range; save it with 8 or 16 bits"
        )
    if image.mode == "La":  # Pillow converts premultiplied grey to LA only
        image = image.convert("LA")
    if image.has_transparency_data:
        return np.array(_flatten_on_white(image.convert("RGBA"), notes))
    if image.mode in ("1", "L"):
        return np.array(image.convert("L"))
    if image.mode in ("CMYK", "YCbCr", "HSV", "LAB"):
        notes.append(f"{image.mode} to RGB")
    return np.array(image.convert("RGB"))


def _to_eight_bit(values: NDArray[np.integer], transparent: object, notes: list[str]) -> NDArray[np.uint8]:
    """Scale 16-bit grey ``[height, width]`` to 8 bits, rounded. Values equal to ``transparent`` become white."""
    low, high = int(values.min()), int(values.max())
    if low < 0 or high > _WHITE_16:
        raise PictureError(f"this picture's values run from {low} to {high}; save it with 8 or 16 bits")
    wide = values.astype(np.int32)
    if isinstance(transparent, int) and (wide == transparent).any():
        wide[wide == transparent] = _WHITE_16
        notes.append("alpha flattened on white")
    return ((wide + 128) // 257).astype(np.uint8)


def _flatten_on_white(image: Image.Image, notes: list[str]) -> Image.Image:
    """Lay an RGBA picture on white."""
    alpha = image.getchannel("A")
    if alpha.getextrema() == (255, 255):
        return image.convert("RGB")
    notes.append("alpha flattened on white")
    white = Image.new("RGB", image.size, "white")
    white.paste(image, mask=alpha)
    return white


def _drop_equal_channels(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return ``pixels`` as grey ``[height, width]`` if all three channels are equal everywhere."""
    if pixels.ndim == 2:
        return pixels
    red = pixels[..., 0]
    if np.array_equal(red, pixels[..., 1]) and np.array_equal(red, pixels[..., 2]):
        return np.ascontiguousarray(red)
    return pixels
