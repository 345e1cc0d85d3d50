"""Training pictures, with a caption where there is one, from parquet files or any folder of pictures."""

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


def pictures_in(data: Path, pattern: str = "train-*.parquet") -> Iterator[tuple[NDArray[np.uint8], str]]:
    """Yield every picture of the parquet files ``pattern`` in ``data``, or of its picture files, and its caption.

    Pictures are uint8 ``[H, W, 3]``. Of several captions it is the first; picture files have none, which is "".

    Raises:
        SetupError: ``data`` holds neither.
    """
    tables = sorted(data.glob(pattern))
    files = sorted(path for path in data.rglob("*") if path.suffix.lower() in SUFFIXES)
    if not tables and not files:
        raise SetupError(f"no {pattern} and no picture files in {data}: name a folder with --data")
    for cell, caption in _cells(tables) if tables else ((path.read_bytes(), "") for path in files):
        with Image.open(io.BytesIO(cell)) as image:
            yield np.asarray(image.convert("RGB")), caption


def _cells(tables: list[Path]) -> Iterator[tuple[bytes, str]]:
    import pyarrow.parquet as pq  # noqa: PLC0415 - only training needs it

    for path in tables:
        file = pq.ParquetFile(path)
        columns = [name for name in ("image", "captions") if name in file.schema_arrow.names]
        for batch in file.iter_batches(batch_size=64, columns=columns):
            for row in batch.to_pylist():
                yield row["image"], next(iter(row.get("captions") or ()), "")
