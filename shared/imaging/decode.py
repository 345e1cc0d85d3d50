"""From a picture file to a Pillow image: upright, in sRGB, with 8 bits per channel."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Final

import numpy as np
from PIL import ExifTags, Image, ImageOps, TiffImagePlugin

from shared.imaging.checks import require_size, require_tile
from shared.imaging.colour import convert_profile, png_exponent, split_alpha
from shared.imaging.fits import is_fits, read_fits
from shared.imaging.levels import EIGHT_BIT, FULL, Levels, Values, to_eight_bit, values_of
from shared.imaging.png import is_wide_colour, read_wide_colour
from shared.imaging.tiff import WHITE_IS_ZERO, is_tiff, read_wide_tiff
from shared.pixels import grey_to_rgb

if TYPE_CHECKING:
    from shared.imaging.tiff import WideTiff

# Vector formats. Pillow runs Ghostscript on an EPS file, and the file could then run code.
_NOT_RASTER: Final = frozenset({"EPS", "WMF"})


def read_image(data: bytes, levels: Levels, notes: list[str]) -> Image.Image:
    """Return the first picture of a file, and add a note for each conversion.

    It may have a palette or transparency, and any 8-bit mode of Pillow.

    Raises:
        Exception: whatever the libraries raise for a damaged file; see ``raise_picture_errors``.
    """
    if is_fits(data):
        return _to_image(read_fits(data, notes), levels, notes)
    wide = read_wide_tiff(data) if is_tiff(data) else None
    return _read_by_pillow(data, levels, notes) if wide is None else _read_tiff(wide, levels, notes)


def check_header(data: bytes) -> None:
    """Open a file without decoding its pixels. FITS and TIFF are left to ``read_image``.

    Raises:
        Exception: as ``read_image``.
    """
    if not is_fits(data) and not is_tiff(data):
        with _open(data) as image:
            _require_bounded(image)


def _read_tiff(page: WideTiff, levels: Levels, notes: list[str]) -> Image.Image:
    if page.several_pages:
        notes.append("first frame only")
    if page.unused_channels:
        notes.append(f"{page.unused_channels} further channels left out")
    image = _to_image(page.values, levels, notes, alpha=page.alpha, premultiplied=page.premultiplied)
    image.info["icc_profile"] = page.icc_profile
    return _turn(convert_profile(image, notes), (page.orientation, page.orientation), notes)


def _read_by_pillow(data: bytes, levels: Levels, notes: list[str]) -> Image.Image:
    with _open(data) as image:
        _require_bounded(image)
        tiles = repr(getattr(image, "tile", ()))  # load() drops them
        if _is_animated(image):
            notes.append("first frame only")
        stated = _orientation(image)  # read again below: load() rotates a TIFF, and finds a PNG's tag
        image.load()
        require_size(*image.size)  # icon formats choose their size while loading
        exponent, left = png_exponent(image.info, notes), _orientation(image)
        if image.mode[0] in "IF":
            eight = _to_image(_wide_grey(image), levels, notes, exponent=exponent)
            eight = _show_transparent_value(eight, image, notes)
        elif image.format == "PNG" and is_wide_colour(tiles):
            values, alpha = read_wide_colour(data)
            eight = _to_image(values, levels, notes, alpha=alpha, exponent=exponent)
        else:
            if ";16" in tiles:
                notes.append("16 bit to 8 bit")
            return _turn(_change_levels(convert_profile(image, notes), levels, exponent, notes), (stated, left), notes)
        eight.info["icc_profile"] = image.info.get("icc_profile")
        return _turn(convert_profile(eight, notes), (stated, left), notes)


def _open(data: bytes) -> Image.Image:
    Image.init()
    return Image.open(io.BytesIO(data), formats=[name for name in Image.OPEN if name not in _NOT_RASTER])


def _wide_grey(image: Image.Image) -> Values:
    """Return the values of a loaded image of one channel of more than 8 bits."""
    array, tags = np.array(image), getattr(image, "tag_v2", {})
    white_is_low = tags.get(TiffImagePlugin.PHOTOMETRIC_INTERPRETATION) == WHITE_IS_ZERO
    bits = tags.get(TiffImagePlugin.BITSPERSAMPLE, (8 * array.itemsize,))[0]
    if array.dtype == np.int32 and bits == 32:
        if tags and tags.get(TiffImagePlugin.SAMPLEFORMAT, (1,))[0] == 1:
            array = array.view(np.uint32)  # Pillow takes it for signed
        elif not tags and array.min() >= 0 and array.max() <= 65535:
            array, bits = array.astype(np.uint16), 16  # Pillow widens 16 bits
    return values_of(array, bits, white_is_low=white_is_low)


def _show_transparent_value(eight: Image.Image, image: Image.Image, notes: list[str]) -> Image.Image:
    """Make the pixels of ``eight`` white that have the value which a 16-bit PNG states as transparent."""
    value = image.info.get("transparency")
    hidden = np.array(image) == value if isinstance(value, int) else np.zeros(0, bool)
    if not hidden.any():
        return eight
    notes.append("alpha flattened on white")
    return Image.fromarray(np.where(hidden, np.uint8(255), np.array(eight)))


def _change_levels(image: Image.Image, levels: Levels, exponent: float, notes: list[str]) -> Image.Image:
    """Return an 8-bit ``image`` with other levels; unchanged if they are full and ``exponent`` is 1."""
    if levels == FULL and exponent == 1.0:
        return image
    plain, alpha = split_alpha(image)
    values = Values(np.array(plain.convert("RGB") if plain.mode == "CMYK" else plain), (0.0, 255.0), EIGHT_BIT)
    changed = Image.fromarray(to_eight_bit(values, levels, [] if levels == FULL else notes, exponent))
    if alpha is not None:
        changed.putalpha(alpha)
    return changed


def _to_image(
    values: Values,
    levels: Levels,
    notes: list[str],
    *,
    alpha: Values | None = None,
    premultiplied: bool = False,
    exponent: float = 1.0,
) -> Image.Image:
    """Return values of more than 8 bits as an image, RGBA if there is ``alpha``, else L or RGB."""
    eight = to_eight_bit(values, levels, notes, exponent)
    if alpha is None:
        return Image.fromarray(eight)
    opacity = to_eight_bit(Values(alpha.array, alpha.full or (0.0, 1.0), alpha.kind), FULL, [])
    colours = grey_to_rgb(eight)
    height, width = opacity.shape
    four = np.dstack([colours, opacity]).tobytes()
    return Image.frombytes("RGBa" if premultiplied else "RGBA", (width, height), four).convert("RGBA")


def _require_bounded(image: Image.Image) -> None:
    """Check sizes before any pixel is decoded."""
    require_size(*image.size)
    tags = getattr(image, "tag_v2", {})  # libtiff decodes whole tiles
    require_tile(tags.get(TiffImagePlugin.TILEWIDTH, 0), tags.get(TiffImagePlugin.TILELENGTH, 0))


def _is_animated(image: Image.Image) -> bool:
    """Return whether there is a second frame. If a later frame is damaged, the first one is still used."""
    try:
        return bool(getattr(image, "is_animated", False))
    except Exception:  # noqa: BLE001 - see raise_picture_errors
        image.seek(0)
        return False


def _orientation(image: Image.Image) -> int:
    """Return EXIF's orientation, 1 (upright) to 8; 1 if the tag is missing or damaged."""
    try:
        value = image.getexif().get(ExifTags.Base.Orientation, 1)
    except Exception:  # noqa: BLE001 - a damaged tag does not spoil the pixels
        return 1
    return value if value in range(1, 9) else 1


def _turn(image: Image.Image, orientation: tuple[int, int], notes: list[str]) -> Image.Image:
    """Return ``image`` upright. ``orientation`` is what the file states, and what is left after loading."""
    if orientation == (1, 1):
        return image
    notes.append("EXIF orientation applied")
    image.getexif()[ExifTags.Base.Orientation] = orientation[1]
    return ImageOps.exif_transpose(image)
