"""Picture files in and out: any raster format that Pillow reads becomes 8-bit RGB or grey; PNG comes out."""

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


# Vector formats: Pillow hands EPS to Ghostscript, a program that the picture could then steer.
_NOT_RASTER: Final = frozenset({"EPS", "WMF"})
_WHITE_16: Final = 65535
_pillow_warnings = threading.Lock()


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """A picture as the link carries it.

    ``pixels`` is uint8, ``[height, width, 3]`` RGB or, where all channels are equal everywhere, ``[height, width]``.
    ``notes`` says in words what was converted on the way in.
    """

    pixels: NDArray[np.uint8]
    notes: tuple[str, ...] = ()

    @property
    def grey(self) -> bool:
        """Whether the picture has one channel."""
        return self.pixels.ndim == 2

    @property
    def header(self) -> PictureHeader:
        """What the container and the packets say about the picture."""
        height, width = self.pixels.shape[:2]
        return PictureHeader(width, height, self.grey)


def load_picture(data: bytes) -> Picture:
    """Decode a picture file, upright (EXIF), flattened on white, 8 bits deep; an animation gives its first frame.

    Its size is checked before a pixel is decoded.

    Raises:
        PictureError: no picture, truncated or damaged, a side outside 64 to 8192, or values without a fixed range.
    """
    if not data:
        raise PictureError("this file is empty (0 bytes); give a picture file")
    notes: list[str] = []
    with _silence_pillow(), _raise_picture_errors(), _open(data) as image:
        _require_size(image)
        # Read before load(), which drops the tile list.
        deep = ";16" in repr(getattr(image, "tile", ())) or image.mode.startswith("I")
        if _is_animated(image):
            notes.append("first frame only")
        turned = _is_turned(image)  # asked again below: a TIFF turns itself while loading, a PNG tells after it
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
    """Ignore Pillow's warnings, which would reach the user's terminal as two lines of source code.

    The filter list belongs to the process, hence the lock and a filter that touches Pillow's modules only.
    """
    with _pillow_warnings, warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=r"PIL\.")
        yield


@contextlib.contextmanager
def _raise_picture_errors() -> Iterator[None]:
    """Turn whatever Pillow raises for a damaged file into a PictureError."""
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
    """Whether there is a second frame; damage in a frame that nobody asked for is no reason to refuse the first."""
    try:
        return bool(getattr(image, "is_animated", False))
    except Exception:  # noqa: BLE001 - see _typed_failures
        image.seek(0)
        return False


def _is_turned(image: Image.Image) -> bool:
    """Whether a readable EXIF tag says that the pixels lie other than upright."""
    try:
        return image.getexif().get(ExifTags.Base.Orientation, 1) in range(2, 9)
    except Exception:  # noqa: BLE001 - see _typed_failures; a damaged tag is no reason to refuse the pixels
        return False


def _pixels(image: Image.Image, notes: list[str]) -> NDArray[np.uint8]:
    """Return uint8 ``[height, width, 3]`` or ``[height, width]``."""
    if image.mode.startswith("I"):
        return _to_eight_bit(np.array(image), image.info.get("transparency"), notes)
    if image.mode == "F":
        raise PictureError(
            "this picture has floating-point values, which have no fixed range; save it with 8 or 16 bits"
        )
    if image.mode == "La":  # Pillow converts premultiplied grey to nothing but LA
        image = image.convert("LA")
    if image.has_transparency_data:
        return np.array(_flatten_on_white(image.convert("RGBA"), notes))
    if image.mode in ("1", "L"):
        return np.array(image.convert("L"))
    if image.mode in ("CMYK", "YCbCr", "HSV", "LAB"):
        notes.append(f"{image.mode} to RGB")
    return np.array(image.convert("RGB"))


def _to_eight_bit(values: NDArray[np.integer], transparent: object, notes: list[str]) -> NDArray[np.uint8]:
    """Scale 16-bit grey ``[height, width]`` to 8 bits, rounded; ``transparent`` is the PNG value that shows white."""
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
    """Drop two of three channels that are equal everywhere."""
    if pixels.ndim == 2:
        return pixels
    red = pixels[..., 0]
    if np.array_equal(red, pixels[..., 1]) and np.array_equal(red, pixels[..., 2]):
        return np.ascontiguousarray(red)
    return pixels
