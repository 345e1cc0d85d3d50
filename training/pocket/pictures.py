"""Training pictures from parquet files or any folder of pictures."""

from __future__ import annotations

import io
import struct
import sys
import zlib
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from shared.errors import SetupError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

REPOSITORY = Path(__file__).resolve().parents[2]
DEFAULT_DATA = REPOSITORY.parent / "shared" / "data" / "train"
SUFFIXES = {".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".bmp", ".avif"}


def pictures_in(data: Path, pattern: str = "train-*.parquet") -> Iterator[NDArray[np.uint8]]:
    """Yield every picture of the parquet files ``pattern`` in ``data``, or of its picture files, uint8 ``[H, W, 3]``.

    What is no picture is left out; how many those were is told on standard error.

    Raises:
        SetupError: ``data`` holds neither, or a damaged parquet file.
    """
    tables = sorted(data.glob(pattern))
    files = sorted(path for path in data.rglob("*") if path.suffix.lower() in SUFFIXES)
    if not tables and not files:
        raise SetupError(f"no {pattern} and no picture files in {data}: name a folder with --data")
    unreadable = 0
    try:
        for source in _cells(tables) if tables else files:
            picture = _picture_of(source)
            if picture is None:
                unreadable += 1
            else:
                yield picture
    finally:  # also where the caller has enough
        if unreadable:
            print(f"note: {unreadable} pictures in {data} cannot be read and were left out", file=sys.stderr)


def _picture_of(source: bytes | Path) -> NDArray[np.uint8] | None:
    try:
        with Image.open(io.BytesIO(source) if isinstance(source, bytes) else source) as image:
            return np.asarray(image.convert("RGB"))
    except (OSError, SyntaxError, ValueError, EOFError, struct.error, zlib.error, Image.DecompressionBombError):
        return None


def _cells(tables: list[Path]) -> Iterator[bytes]:
    import pyarrow.parquet as pq  # noqa: PLC0415 - only training needs it

    for path in tables:
        try:
            for batch in pq.ParquetFile(path).iter_batches(batch_size=64, columns=["image"]):
                yield from (cell.as_py() for cell in batch.column("image"))
        except (OSError, ValueError, KeyError) as error:  # pyarrow's own are among them
            reason = " ".join(str(error).split())
            raise SetupError(f"{path} is damaged or has no column 'image' ({reason}): fetch it anew") from error
