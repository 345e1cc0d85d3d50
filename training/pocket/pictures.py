"""Training pictures, with a caption where there is one, from parquet files or any folder of pictures."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from shared.errors import SetupError
from training.data import TRAINING_FILES, UNREADABLE, decode_rgb, read_rows

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

SUFFIXES = {".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".bmp", ".avif"}


def read_training_pictures(data: Path, pattern: str = TRAINING_FILES) -> Iterator[tuple[NDArray[np.uint8], str]]:
    """Yield every picture of the parquet files ``pattern`` in ``data``, or of its picture files, and its caption.

    Pictures are uint8 ``[H, W, 3]``. Of several captions it is the first; picture files have none, which is "".

    Files that are no pictures are left out; their number is printed on standard error.

    Raises:
        SetupError: ``data`` holds neither, or a damaged parquet file.
    """
    tables = sorted(data.glob(pattern))
    files = sorted(path for path in data.rglob("*") if path.suffix.lower() in SUFFIXES)
    if not tables and not files:
        raise SetupError(f"no {pattern} and no picture files in {data}: name a folder with --data")
    unreadable = 0
    try:
        for source, caption in _rows(tables) if tables else ((file, "") for file in files):
            picture = _decode_picture(source)
            if picture is None:
                unreadable += 1
            else:
                yield picture, caption
    finally:  # also if the caller stops early
        if unreadable:
            print(f"note: {unreadable} pictures in {data} cannot be read and were left out", file=sys.stderr)


def _decode_picture(source: bytes | Path) -> NDArray[np.uint8] | None:
    try:
        return decode_rgb(source)
    except UNREADABLE:
        return None


def _rows(tables: list[Path]) -> Iterator[tuple[bytes, str]]:
    for file in tables:
        for row in read_rows(file, ["image", "captions"]):
            if "image" not in row:
                raise SetupError(f"{file} has no column 'image': fetch it anew")
            yield row["image"], next(iter(row.get("captions") or ()), "")
