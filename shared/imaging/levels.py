"""Levels: which of a picture's values become black and white where it has more than 8 bits per channel."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from shared.errors import ConfigError, PictureError
from shared.validation import short_repr

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

AUTO_PERCENT: Final = (0.1, 99.9)
"""``auto`` spans these percentiles of the values, so that single hot pixels do not make the picture dark."""
DARK_SHARE: Final = 0.25
"""A picture whose values span less than this share of the levels gets a note that names ``auto``."""
EIGHT_BIT: Final = "8 bit"
ROWS_AT_ONCE: Final = 256
"""Rows that are scaled at a time, which bounds the memory for 64-bit numbers."""


@dataclass(frozen=True, slots=True)
class Levels:
    """The values that become black and white.

    ``text`` is ``full`` (the range that the file's format states), ``auto`` (nearly all of the picture's own values),
    or ``LOW:HIGH``, with the two numbers in ``limits``.
    """

    text: str = "full"
    limits: tuple[float, float] | None = None


FULL: Final = Levels()


@dataclass(frozen=True, slots=True)
class Values:
    """The values of a picture as its file states them.

    Args:
        array: numbers ``[H, W]`` or ``[H, W, 3]``.
        full: the values of black and white in this format; None if it states none.
        kind: what the numbers are, as in ``16 bit``.
        white_is_low: whether the lowest value is white.
    """

    array: NDArray[Any]
    full: tuple[float, float] | None
    kind: str
    white_is_low: bool = False


def parse_levels(text: str) -> Levels:
    """Return the levels of ``full``, ``auto`` or ``LOW:HIGH``.

    Raises:
        ConfigError: ``text`` is something else, or LOW is not below HIGH.
    """
    if text in ("full", "auto"):
        return Levels(text)
    low, colon, high = str(text).partition(":")
    try:
        limits = float(low), float(high)
    except ValueError:
        limits = (math.nan, math.nan)
    if not colon or not all(map(math.isfinite, limits)) or limits[0] >= limits[1]:
        raise ConfigError(f"levels {short_repr(text)}: give full, auto, or LOW:HIGH with LOW below HIGH, as 0:4095")
    return Levels(text, limits)


def limits_of_integers(array: NDArray[Any], bits: int) -> tuple[float, float] | None:
    """Return the values of black and white of whole numbers of ``bits`` bits: 0 and the largest one.

    Files of 32 bits rarely use them all. They count as 16-bit pictures if their values fit; else the result is None.
    """
    if bits > 16:
        return (0.0, 65535.0) if array.min() >= 0 and array.max() <= 65535 else None
    signed = array.dtype.kind == "i"
    return 0.0, float((1 << (bits - signed)) - 1)


def values_of(array: NDArray[Any], bits: int, *, white_is_low: bool = False) -> Values:
    """Return ``array``, whole or floating-point numbers of ``bits`` bits, as values."""
    if array.dtype.kind == "f":
        return Values(array, None, f"{bits} bit floating-point", white_is_low)
    return Values(array, limits_of_integers(array, bits), f"{bits} bit", white_is_low)


def to_eight_bit(values: Values, levels: Levels, notes: list[str], exponent: float = 1.0) -> NDArray[np.uint8]:
    """Return ``values`` as uint8 of the same shape, rounded, and add a note on what was done.

    Values outside the levels become black or white; those that are no numbers become black. ``exponent`` is applied
    to the scaled values (0 to 1).

    Raises:
        PictureError: the format states no range, and ``levels`` is ``full``.
    """
    array = values.array.astype(values.array.dtype.newbyteorder("="), copy=False)
    finite = array if array.dtype.kind in "iub" else array[np.isfinite(array)]
    if not finite.size:
        raise PictureError("this picture holds no number, only undefined values; give another picture")
    lowest, highest = float(finite.min()), float(finite.max())
    low, high = _limits(values, levels, finite, lowest, highest)

    def scale(part: NDArray[Any]) -> NDArray[np.uint8]:
        share = np.clip((part.astype(np.float64) - low) / (high - low), 0.0, 1.0)
        if values.white_is_low:
            share = 1.0 - share
        share = np.nan_to_num(share**exponent, nan=0.0)
        return np.rint(255.0 * share).astype(np.uint8)

    notes.append(_describe(values, levels, (low, high), (lowest, highest), array.size - finite.size))
    return _map_values(array, scale)


def _limits(values: Values, levels: Levels, finite: NDArray[Any], lowest: float, highest: float) -> tuple[float, float]:
    """Return the values that become black and white, the first below the second."""
    if levels.limits is not None:
        return levels.limits
    if levels.text == "auto":
        low, high = map(float, np.percentile(finite, AUTO_PERCENT, method="nearest"))
        if low == high:
            low, high = lowest, highest
        return (low, high) if low < high else (low, low + 1.0)
    if values.full is None:
        raise PictureError(
            f"this picture has {values.kind} values from {lowest:.6g} to {highest:.6g}, and nothing says which are "
            f"black and white; give the levels auto or LOW:HIGH, or save it with 8 or 16 bits"
        )
    return values.full


def _map_values(array: NDArray[Any], scale: Callable[[NDArray[Any]], NDArray[np.uint8]]) -> NDArray[np.uint8]:
    """Return ``scale`` of each value of ``array``; by a table where there are at most 65536 different ones."""
    if array.dtype.kind in "iu" and array.dtype.itemsize <= 2:
        index = np.dtype(f"u{array.dtype.itemsize}")
        table = scale(np.arange(1 << (8 * array.dtype.itemsize), dtype=index).view(array.dtype))
        mapped: NDArray[np.uint8] = table[np.ascontiguousarray(array).view(index)]
        return mapped
    out = np.empty(array.shape, np.uint8)
    for row in range(0, len(array), ROWS_AT_ONCE):
        out[row : row + ROWS_AT_ONCE] = scale(array[row : row + ROWS_AT_ONCE])
    return out


def _describe(
    values: Values, levels: Levels, limits: tuple[float, float], run: tuple[float, float], undefined: int
) -> str:
    """Return what was done to the levels, in one sentence."""
    black, white = reversed(limits) if values.white_is_low else limits
    depth = values.kind if values.kind == EIGHT_BIT else f"{values.kind} to {EIGHT_BIT}"
    parts = [
        f"{depth}, levels {levels.text}: {black:.6g} became black and {white:.6g} white",
        f"its values run from {run[0]:.6g} to {run[1]:.6g}",
    ]
    if undefined:
        parts.append(f"{undefined} undefined values became black")
    if run[0] < limits[0] or run[1] > limits[1]:
        parts.append("those outside were cut off")
    if levels == FULL and run[1] - run[0] < DARK_SHARE * (limits[1] - limits[0]):
        parts.append("levels auto would show more of them")
    return "; ".join(parts)
