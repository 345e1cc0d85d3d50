"""Training crops at full size, some of them enlarged: photographs of more pixels are softer per pixel."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from shared.errors import SetupError

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

HELD_OUT_FILE, HELD_OUT_SOURCE = "train-4-of-8.parquet", "bsds500"
"""Pictures that no part of the recipe sees: BSDS500's in one file, for measurements at 481×321."""
ENLARGED_SHARE, ENLARGED_MOST = 0.5, 2.5


class Crops:
    """Encoded pictures in memory, decoded as they are drawn."""

    def __init__(self, data: Path) -> None:
        """Read ``train-*.parquet`` in ``data`` but for what is held out.

        Raises:
            SetupError: there are none.
        """
        tables = sorted(data.glob("train-*.parquet"))
        if not tables:
            raise SetupError(f"no train-*.parquet in {data}: name the folder of the training pictures with --data")
        self.files = [cell for path in tables for cell, source in cells(path) if not held_out(path.name, source)]

    def batch(self, rng: np.random.Generator, count: int, side: int) -> NDArray[np.uint8]:
        """Return ``[count, side, side, 3]``: random pictures, half of them enlarged, cropped, half of them mirrored."""
        return np.stack([self._crop(rng, side) for _ in range(count)])

    def _crop(self, rng: np.random.Generator, side: int) -> NDArray[np.uint8]:
        with Image.open(io.BytesIO(self.files[rng.integers(len(self.files))])) as image:
            picture = image.convert("RGB")
        enlarged = ENLARGED_MOST ** rng.random() if rng.random() < ENLARGED_SHARE else 1.0
        factor = max(enlarged, side / min(picture.size))
        box = np.array([side, side]) / factor
        left, top = (rng.uniform(0, max(0.0, full - part)) for full, part in zip(picture.size, box, strict=True))
        if enlarged == factor == 1.0:
            left, top = int(left), int(top)
        part = (left, top, min(picture.width, left + box[0]), min(picture.height, top + box[1]))
        crop = np.asarray(picture.resize((side, side), Image.Resampling.BICUBIC, box=part))
        return crop[:, ::-1] if rng.random() < 0.5 else crop


def cells(path: Path) -> list[tuple[bytes, str]]:
    """Return the encoded pictures of a parquet file and their sources."""
    import pyarrow.parquet as pq  # noqa: PLC0415 - only training needs it

    table = pq.read_table(path, columns=["image", "source"])
    return list(zip(table["image"].to_pylist(), table["source"].to_pylist(), strict=True))


def held_out(file: str, source: str) -> bool:
    """Whether a picture is kept for measurements."""
    return file == HELD_OUT_FILE and source == HELD_OUT_SOURCE


def held_out_pictures(data: Path) -> list[NDArray[np.uint8]]:
    """Return the pictures that are kept for measurements, uint8 ``[H, W, 3]``."""
    return [pixels(cell) for cell, source in cells(data / HELD_OUT_FILE) if held_out(HELD_OUT_FILE, source)]


def pixels(cell: bytes) -> NDArray[np.uint8]:
    """Return a picture file's pixels, uint8 ``[H, W, 3]``."""
    with Image.open(io.BytesIO(cell)) as image:
        return np.asarray(image.convert("RGB"))
