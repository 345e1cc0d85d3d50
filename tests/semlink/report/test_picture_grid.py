"""Picture grids."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

from semlink.report.picture_grid import TILE_WIDTH, Tile, draw_picture_grid
from shared.picture import encode_png


def pixels_of(png: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(png)) as image:
        return np.asarray(image.convert("RGB")).astype(int)


def test_a_banner_changes_only_the_top_of_a_picture():
    picture = encode_png(np.full((100, TILE_WIDTH, 3), 128, np.uint8))
    plain, marked = (
        pixels_of(draw_picture_grid(["a"], [[Tile(picture, (), banner=text)]])) for text in ("", "invented")
    )
    rows = np.flatnonzero((plain != marked).any(axis=(1, 2)))
    assert 10 < len(rows) < 40
    assert plain.shape == marked.shape


def test_row_titles_stand_above_their_rows():
    picture = encode_png(np.full((100, TILE_WIDTH, 3), 128, np.uint8))
    rows = [[Tile(picture, ())], [Tile(picture, ())]]
    plain, titled = (pixels_of(draw_picture_grid([""], rows, row_titles=names)) for names in ((), ("first", "second")))
    added = titled.shape[0] - plain.shape[0]
    grey = [np.flatnonzero((sheet[:, 20] == 128).all(axis=1)) for sheet in (plain, titled)]
    assert len(grey[0]) == len(grey[1]) == 200
    assert grey[1][0] - grey[0][0] == added // 2
    assert grey[1][-1] - grey[0][-1] == added
