"""TIFF pictures with more than 8 bits per channel, read by tifffile."""

from __future__ import annotations

import io
import logging
import math
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from shared.errors import PictureError
from shared.imaging.checks import require_size, require_tile
from shared.imaging.levels import Values, values_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

_SIGNATURES: Final = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_PLAIN, _DEFLATE, _PACKBITS = (1,), (8, 32946), (32773,)
WHITE_IS_ZERO, _BLACK_IS_ZERO, _RGB = 0, 1, 2
_PREMULTIPLIED, _ALPHA = 1, 2
_ICC_TAG, _ORIENTATION_TAG = 34675, 274
_PACKBITS_MARGIN: Final = 4096
MAX_CHANNELS: Final = 16
_SILENT: Final = logging.NullHandler()
"""tifffile's logger would print the faults of a damaged file."""


@dataclass(frozen=True, slots=True)
class WideTiff:
    """The first page of a TIFF with more than 8 bits per channel.

    ``values`` are ``[H, W]`` or ``[H, W, 3]`` as stored, and ``alpha`` ``[H, W]``, if there is any.
    """

    values: Values
    alpha: Values | None
    premultiplied: bool
    icc_profile: bytes
    orientation: int
    several_pages: bool
    unused_channels: int


def is_tiff(data: bytes) -> bool:
    """Return whether ``data`` begins as a TIFF file."""
    return data.startswith(_SIGNATURES)


def read_wide_tiff(data: bytes) -> WideTiff | None:
    """Return the first page if it is grey or RGB with more than 8 bits; None for what Pillow is left to read.

    That includes LZW and JPEG, which tifffile does not decode without a further package.

    Raises:
        PictureError: the page has a size that the link does not carry, or is damaged.
    """
    import tifffile  # noqa: PLC0415 - a tenth of a second to import

    logging.getLogger("tifffile").addHandler(_SILENT)
    with tifffile.TiffFile(io.BytesIO(data)) as file:
        page: Any = file.pages.first
        if not _is_wide(page):
            return None
        require_size(page.imagewidth, page.imagelength)
        require_tile(page.tilewidth, page.tilelength)
        _require_bounded(page, data)
        array: NDArray[Any] = page.asarray(maxworkers=1)
        array = np.moveaxis(array, 0, -1) if page.axes == "SYX" else np.atleast_3d(array)
        colours = 3 if page.photometric == _RGB else 1
        kinds = tuple(map(int, page.extrasamples))
        with_alpha = array.shape[2] > colours and kinds[:1] in ((_PREMULTIPLIED,), (_ALPHA,))
        icc, turned = page.tags.valueof(_ICC_TAG), page.tags.valueof(_ORIENTATION_TAG)
        return WideTiff(
            values_of(
                array[..., :3] if colours == 3 else array[..., 0],
                page.bitspersample,
                white_is_low=page.photometric == WHITE_IS_ZERO,
            ),
            values_of(array[..., colours], page.bitspersample) if with_alpha else None,
            premultiplied=kinds[:1] == (_PREMULTIPLIED,),
            icc_profile=icc if isinstance(icc, bytes) else b"",
            orientation=turned if turned in range(1, 9) else 1,
            several_pages=_has_second_page(file),
            unused_channels=array.shape[2] - colours - with_alpha,
        )


def _is_wide(page: Any) -> bool:
    """Return whether tifffile reads ``page``, and Pillow would not read all of its bits."""
    return (
        page.dtype is not None
        and page.dtype.kind in "iuf"
        and (page.dtype.itemsize > 1 or page.dtype.kind == "i")
        and page.bitspersample == 8 * page.dtype.itemsize
        and page.compression in (*_PLAIN, *_DEFLATE, *_PACKBITS)
        and page.photometric in (WHITE_IS_ZERO, _BLACK_IS_ZERO, _RGB)
        and page.imagedepth == 1
        and page.samplesperpixel <= MAX_CHANNELS
    )


def _has_second_page(file: Any) -> bool:
    """Return whether there is a second page. If it is damaged, the first one is still used."""
    try:
        return file.pages[1] is not None
    except Exception:  # noqa: BLE001 - see raise_picture_errors
        return False


def _require_bounded(page: Any, data: bytes) -> None:
    """Refuse strips and tiles that unpack to more than their size, before all of it is in memory."""
    size = math.prod(page.chunks) * page.dtype.itemsize
    for offset, count in zip(page.dataoffsets, page.databytecounts, strict=False):
        part = data[offset : offset + count]
        if page.compression in _DEFLATE:
            unpacking = zlib.decompressobj()
            longer = len(unpacking.decompress(part, size + 1)) > size
        else:
            longer = page.compression in _PACKBITS and len(part) > 2 * size + _PACKBITS_MARGIN
        if longer:
            raise PictureError("this TIFF unpacks to more than its size: it is damaged; save it again as PNG")
