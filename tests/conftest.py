"""Fixtures that all test folders share."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

DATA = Path(__file__).parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def data_folder() -> Path:
    """The folder of training and evaluation pictures, which the repository does not hold."""
    if not DATA.is_dir():
        pytest.skip(f"no picture data at {DATA.name}/ beside the repository")
    return DATA


def synthetic_pixels(width: int, height: int, *, grey: bool = False, seed: int = 0) -> np.ndarray:
    """A picture with smooth shading, edges and a little texture, uint8 [H, W, 3] or [H, W]."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width]
    planes = []
    for _ in range(1 if grey else 3):
        phase, slope = rng.uniform(0, 6), rng.uniform(0.005, 0.03)
        plane = 128 + 60 * np.sin(slope * x + phase) + 40 * ((x + 2 * y) % 97 < 30) + rng.normal(0, 4, (height, width))
        planes.append(plane)
    pixels = np.clip(np.stack(planes, axis=-1), 0, 255).astype(np.uint8)
    return pixels[:, :, 0] if grey else pixels


def png_of(pixels: np.ndarray) -> bytes:
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "PNG")
    return out.getvalue()


@pytest.fixture(scope="session")
def picture_png() -> bytes:
    """A 384x256 colour picture file."""
    return png_of(synthetic_pixels(384, 256))
