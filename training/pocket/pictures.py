"""Training pictures from parquet files or any folder of pictures."""

from __future__ import annotations

import io
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

    Raises:
        SetupError: ``data`` holds neither.
    """
    tables = sorted(data.glob(pattern))
    files = sorted(path for path in data.rglob("*") if path.suffix.lower() in SUFFIXES)
    if not tables and not files:
        raise SetupError(f"no {pattern} and no picture files in {data}: name a folder with --data")
    for cell in _cells(tables) if tables else (path.read_bytes() for path in files):
        with Image.open(io.BytesIO(cell)) as image:
            yield np.asarray(image.convert("RGB"))


def _cells(tables: list[Path]) -> Iterator[bytes]:
    import pyarrow.parquet as pq  # noqa: PLC0415 - only training needs it

    for path in tables:
        for batch in pq.ParquetFile(path).iter_batches(batch_size=64, columns=["image"]):
            yield from (cell.as_py() for cell in batch.column("image"))
