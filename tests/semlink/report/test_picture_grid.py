"""Picture grids and painted trust maps."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

from semlink.report.picture_grid import TILE_WIDTH, Tile, picture_grid, trust_picture
from shared.picture import encode_png


def pixels_of(png: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(png)) as image:
        return np.asarray(image.convert("RGB")).astype(int)


def test_a_trust_map_is_painted_block_by_block_from_blue_to_yellow():
    painted = pixels_of(trust_picture(encode_png(np.array([[0, 128, 255], [255, 0, 0]], np.uint8)), 40, 20))
    assert painted.shape == (20, 40, 3)
    invented, between, received = painted[0, 0], painted[0, 16], painted[0, 32]
    assert np.array_equal(painted[15, 15], invented)
    assert np.array_equal(painted[16, 0], received)
    assert invented[2] > invented[0]
    assert received[0] > 200 > received[2]
    # In brightness alone, as the colour-blind and a black-and-white print have it, the order is the same.
    assert invented.sum() < between.sum() < received.sum()


def test_a_banner_marks_a_picture_that_was_not_received():
    picture = encode_png(np.full((100, TILE_WIDTH, 3), 128, np.uint8))
    plain, marked = (pixels_of(picture_grid(["a"], [[Tile(picture, (), banner=text)]])) for text in ("", "invented"))
    rows = np.flatnonzero((plain != marked).any(axis=(1, 2)))
    assert 10 < len(rows) < 40
    assert plain.shape == marked.shape
