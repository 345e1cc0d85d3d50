"""FITS pictures of astronomy (Flexible Image Transport System 4.0), read by astropy."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from shared.bitstream import MAX_SIDE
from shared.errors import PictureError
from shared.imaging.checks import require_size
from shared.imaging.levels import Values, limits_of_integers

if TYPE_CHECKING:
    from numpy.typing import NDArray

_SIGNATURE: Final = b"SIMPLE  ="


def is_fits(data: bytes) -> bool:
    """Return whether ``data`` begins as a FITS file."""
    return data.startswith(_SIGNATURE)


def read_fits(data: bytes, notes: list[str]) -> Values:
    """Return the first picture of a FITS file, upright, its values as BZERO and BSCALE state them.

    Raises:
        PictureError: it holds no picture, has a size that the link does not carry, or is packed with gzip.
    """
    from astropy.io import fits  # noqa: PLC0415 - half a second to import

    with fits.open(io.BytesIO(data), memmap=False) as units:
        unit = next((one for one in units if _is_picture(one)), None)
        if unit is None:
            raise PictureError("this FITS file holds no picture, only tables or headers; give one with an image")
        _require_bounded(unit)
        *planes, height, width = unit.shape
        require_size(width, height)
        if any(count > 1 for count in planes) or sum(map(_is_picture, units)) > 1:
            notes.append("first frame only")
        bits, scale, zero = int(unit.header["BITPIX"]), unit.header.get("BSCALE", 1), unit.header.get("BZERO", 0)
        array = np.asarray(unit.data).reshape(-1, height, width)[0][::-1]
        array = np.ascontiguousarray(array.astype(array.dtype.newbyteorder("="), copy=False))
    return Values(array, _limits(array, bits, float(scale), float(zero)), _describe(bits))


def _is_picture(unit: Any) -> bool:
    return bool(unit.is_image) and len(unit.shape) >= 2 and all(unit.shape)


def _require_bounded(unit: Any) -> None:
    """Refuse what could unpack to more than a picture: astropy unpacks gzip without a limit."""
    compression = getattr(unit, "compression_type", "")
    if "GZIP" in str(compression) or max(getattr(unit, "tile_shape", None) or (0,)) > MAX_SIDE:
        raise PictureError(f"this FITS file is packed with {compression}; unpack it with funpack first")


def _limits(array: NDArray[Any], bits: int, scale: float, zero: float) -> tuple[float, float] | None:
    """Return the values of black and white: 0, or the lowest one if it is higher, and the largest one."""
    if bits < 0:
        return None
    if array.dtype.kind in "iu":
        return limits_of_integers(array, 8 * array.dtype.itemsize)
    if bits > 16:
        return None
    stored = (0, 255) if bits == 8 else (-(1 << (bits - 1)), (1 << (bits - 1)) - 1)
    low, high = sorted(zero + scale * one for one in stored)
    return (max(0.0, low), high) if high > 0 else (low, high)


def _describe(bits: int) -> str:
    return f"{bits} bit" if bits > 0 else f"{-bits} bit floating-point"
