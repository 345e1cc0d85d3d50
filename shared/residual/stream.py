"""Reconstruction-aware semantic residual tokens (RSRTs) with a place: a form of the TOKENS stream, range-coded.

A grid of codes, one for each 32 × 32 pixels, says what the receiver's restorer loses there. The grid is cut into bands
of whole rows, one unit each, which decode alone: where a band begins follows from the size of the picture and the
number of the unit. A unit starts with the byte 0xC0, which no other form has. The codes follow row by row; each has the
probability table of the groups of the codes to its left and above it in the band. See ``docs/tokens.md``.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from shared.errors import BitstreamError, SetupError
from shared.range_coding import RangeReader, RangeWriter, table_model

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

STRIDE: Final = 32
"""Side in pixels of the block that a code describes."""
CODES: Final = 32
GROUPS: Final = 8
"""Codes of like texture are one group in the tables' contexts; group 8 stands for a place outside the band."""
BAND_CODES: Final = 192
"""About so many codes are in a band: a unit of some hundred bytes, which fits into the usual packet."""
LOST: Final = -1
_FIRST_BYTE: Final = b"\xc0"
"""Bit 7 as in ``shared.tokens.stream``: RSRTs; bit 6: with a place."""
_TABLES: Final = "tables.npz"


@dataclass(frozen=True, slots=True)
class Tables:
    """``groups`` uint8 ``[32]``, the group of each code, and ``counts`` uint16 ``[9, 9, 32]``: left, above, code."""

    groups: NDArray[np.uint8]
    counts: NDArray[np.uint16]


def grid_size(width: int, height: int) -> tuple[int, int]:
    """Return rows and columns of the codes of a picture of ``width`` × ``height`` pixels."""
    return -(-height // STRIDE), -(-width // STRIDE)


def band_rows(rows: int, columns: int) -> list[slice]:
    """Return the rows of each band."""
    step = max(1, BAND_CODES // columns)
    return [slice(first, min(first + step, rows)) for first in range(0, rows, step)]


def encode_residual(codes: NDArray[np.uint8]) -> tuple[bytes, ...]:
    """Return the units of ``codes`` ``[rows, columns]``, 0 to 31."""
    return tuple(_encode_band(codes[rows]) for rows in band_rows(*codes.shape))


def decode_residual(units: Sequence[bytes], width: int, height: int) -> tuple[NDArray[np.int64], int]:
    """Return codes ``[rows, columns]``, -1 where a unit was lost (b"") or is damaged, and how many are damaged.

    Raises:
        BitstreamError: a picture of this size has another number of units.
    """
    rows, columns = grid_size(width, height)
    bands = band_rows(rows, columns)
    if len(units) != len(bands):
        raise BitstreamError(f"{len(units)} units of residual tokens; {width}x{height} pixels have {len(bands)}")
    codes, damaged = np.full((rows, columns), LOST, np.int64), 0
    for unit, band in zip(units, bands, strict=True):
        try:
            if unit:
                codes[band] = _decode_band(unit, band.stop - band.start, columns)
        except BitstreamError:
            damaged += 1
    return codes, damaged


def estimate_bytes(width: int, height: int) -> int:
    """Return about the most bytes that the units of a picture take, their lengths in the container included."""
    rows, columns = grid_size(width, height)
    bits = (CODES - 1).bit_length() - 0.25
    return sum(
        len(_FIRST_BYTE) + 2 + int((band.stop - band.start) * columns * bits / 8) for band in band_rows(rows, columns)
    )


def is_residual(units: Sequence[bytes]) -> bool:
    """Whether the units of a TOKENS stream are residual tokens with a place."""
    return any(unit[:1] == _FIRST_BYTE for unit in units)


def _encode_band(codes: NDArray[np.uint8]) -> bytes:
    tables, writer = load_tables(), RangeWriter()
    groups = _frame(codes.shape)
    for row, column in np.ndindex(*codes.shape):
        writer.write(codes[row, column].reshape(1).astype(np.int32), _model(groups, row, column))
        groups[row + 1, column + 1] = tables.groups[codes[row, column]]
    return _FIRST_BYTE + writer.to_bytes()


def _decode_band(unit: bytes, rows: int, columns: int) -> NDArray[np.int64]:
    if unit[:1] != _FIRST_BYTE:
        raise BitstreamError(f"a unit of residual tokens starts with 0xc0, not with 0x{unit[0]:02x}")
    tables, reader = load_tables(), RangeReader(unit[1:], "TOKENS")
    codes, groups = np.zeros((rows, columns), np.int64), _frame((rows, columns))
    for row, column in np.ndindex(rows, columns):
        codes[row, column] = reader.read(1, _model(groups, row, column))[0]
        groups[row + 1, column + 1] = tables.groups[codes[row, column]]
    reader.finish()
    return codes


def _frame(shape: tuple[int, ...]) -> NDArray[np.int64]:
    """Return the groups of a band, with one row above and one column to the left that are outside."""
    return np.full((shape[0] + 1, shape[1] + 1), GROUPS)


def _model(groups: NDArray[np.int64], row: int, column: int) -> Any:
    """Return the probability model of the code at ``row`` and ``column``."""
    return _context_model(int(groups[row + 1, column]), int(groups[row, column + 1]))


@lru_cache(maxsize=(GROUPS + 1) ** 2)
def _context_model(left: int, above: int) -> Any:
    return table_model(load_tables().counts[left, above])


@lru_cache(maxsize=1)
def load_tables() -> Tables:
    """Return the tables that ship.

    Raises:
        SetupError: they are damaged.
    """
    fault = SetupError(f"shared/residual/{_TABLES} is damaged: install the package again")
    try:
        with resources.files(__package__).joinpath(_TABLES).open("rb") as file, np.load(file) as arrays:
            tables = Tables(arrays["groups"], arrays["counts"])
    except (OSError, KeyError, ValueError) as error:
        raise fault from error
    sound = tables.groups.shape == (CODES,) and tables.counts.shape == (GROUPS + 1, GROUPS + 1, CODES)
    if not sound or tables.groups.max() >= GROUPS or tables.counts.dtype != np.uint16 or tables.counts.min() < 1:
        raise fault
    return tables
