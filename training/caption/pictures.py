"""Captioned pictures of parquet files, and their features, computed once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from shared.errors import SetupError
from training.data import decode_rgb, read_rows

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

BATCH: Final = 16


@dataclass(frozen=True)
class Captioned:
    """One picture's file and the captions that people gave it."""

    image: bytes
    captions: tuple[str, ...]

    def pixels(self) -> NDArray[np.uint8]:
        """Return uint8 ``[H, W, 3]``."""
        return decode_rgb(self.image)


def read_captioned(data: Path, pattern: str) -> list[Captioned]:
    """Return the pictures with at least one caption in the parquet files ``pattern`` of ``data``.

    Raises:
        SetupError: there is none.
    """
    found = [
        Captioned(row["image"], tuple(row["captions"]))
        for path in sorted(data.glob(pattern))
        for row in read_rows(path, ["image", "captions"])
        if row["captions"]
    ]
    if not found:
        raise SetupError(f"no captioned pictures in {data / pattern}: name a folder of parquet files with --data")
    return found


def compute_features(pictures: list[Captioned], path: Path) -> NDArray[np.float16]:
    """Return ``[N, 64, 1280]`` float16, memory-mapped from ``path``; what is missing there is computed first.

    After an interruption it continues at the first missing picture.
    """
    from sender.extractors.features import FEATURE_CHANNELS, PLACES  # noqa: PLC0415 - seconds to import

    shape = (len(pictures), PLACES, FEATURE_CHANNELS)
    done_file = path.with_suffix(".done")
    done = int(done_file.read_text()) if done_file.exists() and path.exists() else 0
    if path.exists() and np.load(path, mmap_mode="r").shape != shape:
        done = 0
    path.parent.mkdir(parents=True, exist_ok=True)
    mode = "r+" if done else "w+"
    cache: np.memmap[Any, np.dtype[np.float16]] = np.lib.format.open_memmap(path, mode, np.float16, shape)
    for start, maps in _compute_missing(pictures, done):
        cache[start : start + len(maps)] = maps
        cache.flush()
        done_file.write_text(str(start + len(maps)))
    return cache


def _compute_missing(pictures: list[Captioned], done: int) -> Iterator[tuple[int, NDArray[np.float16]]]:
    """Yield (index of the first, maps of a batch) from picture ``done`` on."""
    from sender.extractors.features import FeatureExtractor, resize_to_square  # noqa: PLC0415 - seconds to import

    if done == len(pictures):
        return
    extractor = FeatureExtractor()
    for start in range(done, len(pictures), BATCH):
        squares = np.stack([resize_to_square(picture.pixels()) for picture in pictures[start : start + BATCH]])
        yield start, extractor.maps(squares).numpy().astype(np.float16)
