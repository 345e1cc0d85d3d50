"""Picture grids and coloured trust maps."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

from semlink.report.picture_grid import TILE_WIDTH, Tile, colour_trust_map, draw_picture_grid
from shared.picture import encode_png


def pixels_of(png: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(png)) as image:
        return np.asarray(image.convert("RGB")).astype(int)


def test_a_trust_map_is_coloured_per_block_from_blue_to_yellow():
    painted = pixels_of(colour_trust_map(encode_png(np.array([[0, 128, 255], [255, 0, 0]], np.uint8)), 40, 20))
    assert painted.shape == (20, 40, 3)
    invented, between, received = painted[0, 0], painted[0, 16], painted[0, 32]
    assert np.array_equal(painted[15, 15], invented)
    assert np.array_equal(painted[16, 0], received)
    assert invented[2] > invented[0]
    assert received[0] > 200 > received[2]
    # Brightness alone has the same order, for a print in black and white.
    assert invented.sum() < between.sum() < received.sum()


def test_a_banner_changes_only_the_top_of_a_picture():
    picture = encode_png(np.full((100, TILE_WIDTH, 3), 128, np.uint8))
    plain, marked = (
        pixels_of(draw_picture_grid(["a"], [[Tile(picture, (), banner=text)]])) for text in ("", "invented")
    )
    rows = np.flatnonzero((plain != marked).any(axis=(1, 2)))
    assert 10 < len(rows) < 40
    assert plain.shape == marked.shape
