"""Reads columns of numbers from a user's CSV or Parquet file.

Messages name the file, the row and the column, but never what stands there: a profile may come from an unknown caller,
and the file may be any file of this machine.
"""

from __future__ import annotations

import csv
import hashlib
import io
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from shared.errors import ConfigError, SetupError
from shared.validation import short_repr

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

MAX_FILE_BYTES: Final = 64 * 2**20
MAX_ROWS: Final = 1_000_000


def hash_file(field: str, path: str) -> str:
    """Return the SHA-256 of a file's bytes in hexadecimal; ``field`` names the setting in messages.

    Raises:
        ConfigError: it cannot be read, or is larger than 64 MiB.
    """
    return hashlib.sha256(_read_bytes(field, path)).hexdigest()


@lru_cache(maxsize=16)
def read_columns(field: str, path: str, sha256: str) -> Mapping[str, NDArray[np.float64]]:
    """Return the columns of a CSV or Parquet file by name, each ``[rows]`` of finite numbers.

    ``sha256`` is that of ``hash_file``: the same file read again, or a changed one refused.

    Raises:
        ConfigError: the file cannot be read, has changed, is empty or too long, or a cell is not a finite number.
        SetupError: it is Parquet, and pyarrow is not installed.
    """
    data = _read_bytes(field, path)
    if hashlib.sha256(data).hexdigest() != sha256:
        raise ConfigError(f"{field} = {short_repr(path)}: the file has changed while the channel ran")
    is_parquet = Path(path).suffix == ".parquet"
    columns = _parse_parquet(field, path, data) if is_parquet else _parse_csv(field, path, data)
    rows = len(next(iter(columns.values()), ()))
    if not 1 <= rows <= MAX_ROWS:
        raise ConfigError(f"{field} = {short_repr(path)}: {rows} rows of numbers: give 1 to {MAX_ROWS}")
    for name, values in columns.items():
        if not np.all(np.isfinite(values)):
            row = int(np.argmin(np.isfinite(values))) + 1
            raise ConfigError(f"{field} = {short_repr(path)}: row {row} of {name} is not a finite number")
    return columns


def _read_bytes(field: str, path: str) -> bytes:
    try:
        if not Path(path).is_file():
            raise ConfigError(f"{field} = {short_repr(path)}: there is no such file where the channel runs")
        with Path(path).open("rb") as file:
            data = file.read(MAX_FILE_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "not a path"
        raise ConfigError(f"{field} = {short_repr(path)}: cannot be read: {reason}") from None
    if len(data) > MAX_FILE_BYTES:
        raise ConfigError(f"{field} = {short_repr(path)}: larger than {MAX_FILE_BYTES // 2**20} MiB")
    return data


def _parse_csv(field: str, path: str, data: bytes) -> dict[str, NDArray[np.float64]]:
    what = f"{field} = {short_repr(path)}"
    try:
        lines = list(csv.reader(io.StringIO(data.decode("utf-8-sig")), strict=True))
    except (UnicodeDecodeError, csv.Error):
        raise ConfigError(f"{what}: is not a CSV file in UTF-8; the name of a Parquet file ends in .parquet") from None
    lines = [[cell.strip() for cell in line] for line in lines if line]
    names = lines[0] if lines else []
    if len(set(names)) != len(names):
        raise ConfigError(f"{what}: the first line must name each column once")
    table = np.empty((max(len(lines) - 1, 0), len(names)))
    for row, cells in enumerate(lines[1:]):
        try:
            table[row] = np.array([float(cell) for cell in cells]).reshape(len(names))
        except ValueError:
            raise ConfigError(f"{what}: row {row + 1} is not {len(names)} numbers with commas between them") from None
    return {name: table[:, column] for column, name in enumerate(names)}


def _parse_parquet(field: str, path: str, data: bytes) -> dict[str, NDArray[np.float64]]:
    try:
        import pyarrow as pa  # noqa: PLC0415 - optional
        import pyarrow.parquet as pq  # noqa: PLC0415
    except ImportError:
        raise SetupError(f"{field} = {short_repr(path)}: pyarrow is not installed: pip install pyarrow") from None
    try:
        file: Any = pq.ParquetFile(pa.BufferReader(data))
        if file.metadata.num_rows > MAX_ROWS:
            raise ConfigError(f"{field} = {short_repr(path)}: {file.metadata.num_rows} rows: give 1 to {MAX_ROWS}")
        table = file.read()
        return {name: np.asarray(table[name].to_numpy(), dtype=np.float64) for name in table.column_names}
    except (pa.ArrowException, OSError, ValueError, TypeError):
        raise ConfigError(f"{field} = {short_repr(path)}: is not a Parquet file whose columns are numbers") from None
