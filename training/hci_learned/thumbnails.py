"""Training pictures that look like HCIs: photographs reduced by several factors, kept in one memory-mapped file."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from training.data import decode_rgb, find_training_files, read_pictures

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray
    from torch import Tensor

# The training pictures have 200 to 512 pixels a side and are themselves reduced photographs, so factor 1 belongs here.
REDUCTIONS = (1.0, 1.6, 2.5)


@dataclass(frozen=True)
class Thumbnails:
    """Pictures of several sizes, end to end in one flat uint8 array; ``places`` rows are (offset, height, width)."""

    pixels: NDArray[np.uint8]
    places: NDArray[np.int64]

    def crops(self, rng: np.random.Generator, count: int, side: int) -> NDArray[np.uint8]:
        """Return ``[count, side, side, 3]`` random crops, half of them mirrored, drawn evenly over the pictures."""
        batch = np.empty((count, side, side, 3), np.uint8)
        fitting = np.flatnonzero(self.places[:, 1:].min(axis=1) >= side)
        for row, index in enumerate(rng.choice(fitting, count)):
            offset, height, width = (int(value) for value in self.places[index])
            picture = self.pixels[offset : offset + height * width * 3].reshape(height, width, 3)
            top, left = rng.integers(height - side + 1), rng.integers(width - side + 1)
            crop = picture[top : top + side, left : left + side]
            batch[row] = crop[:, ::-1] if rng.random() < 0.5 else crop
        return batch


def find_principal_directions(thumbnails: Thumbnails, count: int) -> Tensor:
    """Return ``[count, 768]``: the orthonormal directions in which blocks of 16 by 16 pixels vary most."""
    import torch  # noqa: PLC0415  (only training needs it)

    crops = thumbnails.crops(np.random.default_rng(0), 1500, 32).astype(np.float32) / 255 - 0.5
    blocks = torch.nn.functional.pixel_unshuffle(torch.from_numpy(crops).permute(0, 3, 1, 2), 16)
    rows = blocks.permute(0, 2, 3, 1).flatten(0, 2)
    _, directions = torch.linalg.eigh(rows.T @ rows)
    largest: Tensor = directions.flip(1)[:, :count].T
    return largest


def shrink(picture: Image.Image, factor: float) -> Image.Image:
    """Return ``picture`` with both sides divided by ``factor``, antialiased."""
    if factor == 1.0:
        return picture
    size = (round(picture.width / factor), round(picture.height / factor))
    return picture.resize(size, Image.Resampling.LANCZOS)


def prepare_thumbnails(data: Path, cache: Path) -> Thumbnails:
    """Return the thumbnails of all ``train-*.parquet`` in ``data``, building the files in ``cache`` once.

    Raises:
        SetupError: ``data`` holds no training file.
    """
    pixels_path, places_path = cache / "thumbnails.u8", cache / "thumbnails.json"
    if not places_path.exists():
        files = find_training_files(data)
        cache.mkdir(parents=True, exist_ok=True)
        places, offset = [], 0
        with pixels_path.open("wb") as sink:
            for path in files:
                for picture in map(decode_rgb, read_pictures(path)):
                    for factor in REDUCTIONS:
                        small = np.asarray(shrink(Image.fromarray(picture), factor))
                        sink.write(small.tobytes())
                        places.append((offset, *small.shape[:2]))
                        offset += small.size
        places_path.write_text(json.dumps(places))
    places = json.loads(places_path.read_text())
    return Thumbnails(np.memmap(pixels_path, np.uint8, "r"), np.array(places, np.int64))
