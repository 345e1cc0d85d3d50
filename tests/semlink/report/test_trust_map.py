"""Trust maps at the picture's size, in colour, and over a picture."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

from semlink.report.trust_map import colour_trust_map, enlarge_trust_map, overlay_trust_map
from shared.picture import encode_png

BLOCKS = encode_png(np.array([[0, 128, 255], [255, 0, 0]], np.uint8))
INVENTED, BETWEEN, RECEIVED = (0, 0), (0, 16), (0, 32)


def pixels_of(png: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(png)) as image:
        return np.asarray(image).astype(int)


def test_a_trust_map_has_the_pictures_size():
    whole = pixels_of(enlarge_trust_map(BLOCKS, 40, 20))
    assert whole.shape == (20, 40)
    assert [whole[place] for place in (INVENTED, BETWEEN, RECEIVED, (15, 15), (16, 0))] == [0, 128, 255, 0, 255]


def test_a_trust_map_is_coloured_per_block_from_blue_to_yellow():
    painted = pixels_of(colour_trust_map(BLOCKS, 40, 20))
    assert painted.shape == (20, 40, 3)
    invented, between, received = (painted[place] for place in (INVENTED, BETWEEN, RECEIVED))
    assert np.array_equal(painted[15, 15], invented)
    assert np.array_equal(painted[16, 0], received)
    assert invented[2] > invented[0]
    assert received[0] > 200 > received[2]
    # Brightness alone has the same order, for a print in black and white.
    assert invented.sum() < between.sum() < received.sum()


def test_an_overlay_shows_the_picture_and_its_trust():
    picture = np.full((20, 40, 3), 200, np.uint8)
    picture[:, 20:] = 60
    over = pixels_of(overlay_trust_map(encode_png(picture), enlarge_trust_map(BLOCKS, 40, 20)))
    assert over.shape == picture.shape
    assert over[18, 18].sum() > over[18, 22].sum()  # one block: the picture is still there
    blue, yellow = over[INVENTED], over[RECEIVED]
    assert blue[2] > blue[0]
    assert yellow[0] > yellow[2]
    grey = overlay_trust_map(encode_png(picture[..., 0]), enlarge_trust_map(BLOCKS, 40, 20))
    assert np.array_equal(pixels_of(grey), over)
