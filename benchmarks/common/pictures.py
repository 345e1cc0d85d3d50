"""Pictures that benchmarks measure on. None of them is used to train what is measured."""

from __future__ import annotations

import io
from importlib.resources import files
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from training.data import BSDS500_FILE, BSDS500_SOURCE, VALIDATION_FILE, decode_rgb, read_pictures, read_rows

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

Picture = NDArray[np.uint8]
"""``[H, W, 3]``"""
BSDS500_SIDE = 320
"""Least longer side of the BSDS500 pictures that decoders are measured on."""


def load_parquet_pictures(parquet: Sequence[Path], source: str, min_side: int, count: int) -> list[Picture]:
    """Return ``count`` pictures whose source starts with ``source`` and whose longer side is at least ``min_side``.

    They are spread evenly over all that fit.
    """
    columns = ["image", "width", "height", "source"]
    fitting = [
        row["image"]
        for file in parquet
        for row in read_rows(file, columns)
        if row["source"].startswith(source) and max(row["width"], row["height"]) >= min_side
    ]
    step = max(1, len(fitting) // count)
    return [decode_rgb(picture) for picture in fitting[::step][:count]]


def load_bsds500_pictures(folder: Path, count: int) -> list[Picture]:
    """Return BSDS500 pictures of ``train-4-of-8.parquet``, of which the decoder's training used no crop."""
    return load_parquet_pictures([folder / BSDS500_FILE], BSDS500_SOURCE, BSDS500_SIDE, count)


def load_validation_pictures(folder: Path, count: int, *, first: int = 0) -> list[Picture]:
    """Return the pictures ``first`` to ``first + count`` of ``val.parquet``, 224 x 224."""
    return [decode_rgb(one) for one in islice(read_pictures(folder / VALIDATION_FILE), first, first + count)]


def load_folder_pictures(folder: Path) -> list[Picture]:
    """Return the PNG pictures of a folder, by name."""
    names = sorted(folder.glob("*.png"))
    if not names:
        raise SystemExit(f"error: no PNG pictures in {folder}; name another folder")
    return [decode_rgb(file) for file in names]


def load_coffee(width: int, height: int) -> Picture:
    """Return scikit-image's photograph ``coffee``, resized."""
    with Image.open(io.BytesIO((files("skimage.data") / "coffee.png").read_bytes())) as image:
        return np.asarray(image.convert("RGB").resize((width, height), Image.Resampling.LANCZOS))
