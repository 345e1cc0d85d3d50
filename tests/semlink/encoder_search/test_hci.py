"""The judge: what it looks at, and that it prefers the nearer HCI."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from semlink.encoder_search.hci import GRID, SIDE, PocketJudge, window_in
from shared.hci.stream import HCI_SCALES, encode_hci


@given(height=st.integers(64, 8192), width=st.integers(64, 8192))
def test_a_window_is_inside_the_picture_and_whole_at_every_scale(height, width):
    window = window_in(height, width)
    assert 0 <= window.top <= height - window.height
    assert 0 <= window.left <= width - window.width
    assert window.height == min(SIDE, height)
    assert window.width == min(SIDE, width)
    for scale in HCI_SCALES:
        assert window.top % scale == window.left % scale == 0
        small = window.shrunk(scale)
        assert small.top + small.height <= -(-height // scale)
        assert small.left + small.width <= -(-width // scale)
    assert window.top % GRID == 0


@pytest.mark.parametrize("grey", [False, True])
def test_more_bytes_are_nearer_and_nothing_is_nearer_than_the_original(grey):
    from skimage import data

    pixels = np.ascontiguousarray(data.astronaut()[:128, 128:256])
    pixels = pixels[:, :, 1].copy() if grey else pixels
    distance = PocketJudge()(pixels)
    few, many = (distance(encode_hci(pixels, budget_bytes)) for budget_bytes in (60, 800))
    assert 0 < many < few
