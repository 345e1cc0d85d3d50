"""The decoder in the loop: the part of a picture that it compares; more bytes give a smaller distance."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from semlink.encoder_search.hci import WINDOW_GRID, WINDOW_SIDE, PocketDecoderInTheLoop, window_in
from shared.hci.stream import HCI_SCALES, encode_hci


@given(height=st.integers(64, 8192), width=st.integers(64, 8192))
def test_a_window_lies_inside_the_picture_and_on_whole_pixels_at_every_scale(height, width):
    window = window_in(height, width)
    assert 0 <= window.top <= height - window.height
    assert 0 <= window.left <= width - window.width
    assert window.height == min(WINDOW_SIDE, height)
    assert window.width == min(WINDOW_SIDE, width)
    for scale in HCI_SCALES:
        assert window.top % scale == window.left % scale == 0
        small = window.downscale(scale)
        assert small.top + small.height <= -(-height // scale)
        assert small.left + small.width <= -(-width // scale)
    assert window.top % WINDOW_GRID == 0


@pytest.fixture(scope="module")
def decoder_in_the_loop():
    return PocketDecoderInTheLoop()


@pytest.mark.parametrize("grey", [False, True])
def test_more_bytes_give_a_smaller_distance(grey, decoder_in_the_loop):
    from skimage import data

    pixels = np.ascontiguousarray(data.astronaut()[:128, 128:256])
    pixels = pixels[:, :, 1].copy() if grey else pixels
    distance = decoder_in_the_loop(pixels)
    few, many = (distance(encode_hci(pixels, max_bytes, coder="learned")) for max_bytes in (60, 800))
    assert 0 < many < few
