"""Training crops at full size, some of them enlarged: photographs of more pixels are softer per pixel."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from training.data import BSDS500_FILE, decode_rgb, find_training_files, is_held_out, read_rows

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

ENLARGED_SHARE, ENLARGED_MOST = 0.5, 2.5


class Crops:
    """Encoded pictures in memory, decoded as they are drawn."""

    def __init__(self, data: Path) -> None:
        """Read ``train-*.parquet`` in ``data``, without the pictures that are held out.

        Raises:
            SetupError: there are none.
        """
        self.files = [
            row["image"]
            for file in find_training_files(data)
            for row in read_rows(file, ["image", "source"])
            if not is_held_out(file, row["source"])
        ]

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


def load_held_out_pictures(data: Path) -> list[NDArray[np.uint8]]:
    """Return the pictures that are kept for measurements, uint8 ``[H, W, 3]``."""
    file = data / BSDS500_FILE
    return [
        decode_rgb(row["image"]) for row in read_rows(file, ["image", "source"]) if is_held_out(file, row["source"])
    ]
