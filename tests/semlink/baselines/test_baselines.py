"""Classical codecs: files within the budget that decode to pictures of the right size."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from receiver.metrics.pixel import psnr_db
from semlink.baselines.frames import decode_frame
from semlink.baselines.registry import BASELINES, load_baseline
from semlink.baselines.vvc import find_vvc_pictures
from shared.errors import BudgetError, DataError, InputError

BUDGETS = (420, 900)


@pytest.mark.parametrize("name", BASELINES)
def test_more_bytes_give_a_better_picture_of_the_right_size(name, synthetic_pixels):
    codec, pixels = load_baseline(name), synthetic_pixels(123, 83)
    found = []
    for budget in BUDGETS:
        data = codec.encode(pixels, budget)
        assert len(data) <= budget
        decoded = codec.decode(data, 123, 83)
        assert (decoded.shape, decoded.dtype) == (pixels.shape, np.uint8)
        found.append(psnr_db(decoded, pixels))
    assert found[0] > psnr_db(np.full_like(pixels, pixels.mean()), pixels)
    assert found[1] > found[0] - 0.3  # an enlarging network may lose what bytes gain


@pytest.mark.parametrize("name", BASELINES)
def test_a_budget_that_is_too_small_is_refused_with_the_smallest_file(name, synthetic_pixels):
    with pytest.raises(BudgetError, match=r"20 bytes are too few .* it takes \d+"):
        load_baseline(name).encode(synthetic_pixels(96, 64), 20)


@pytest.mark.parametrize("name", BASELINES)
@settings(max_examples=15, deadline=None)
@given(data=st.binary(max_size=200))
def test_random_bytes_are_refused(name, data):
    with pytest.raises(DataError):
        load_baseline(name).decode(data, 64, 64)


def test_a_truncated_stream_is_refused(synthetic_pixels):
    data = load_baseline("hevc").encode(synthetic_pixels(96, 64), 600)
    with pytest.raises(DataError):
        decode_frame(data[:40], "hevc")


def test_vvc_pictures_are_found_next_to_the_folder_of_the_original(tmp_path, synthetic_pixels):
    pixels = synthetic_pixels(96, 64)
    (tmp_path / "vvc").mkdir()
    for name in ("boat_q52_928", "boat_q50_1401", "boat_q54_647", "boats_q50_333"):
        Image.fromarray(pixels).save(tmp_path / "vvc" / f"{name}bytes.webp", lossless=True)
    found = find_vvc_pictures(tmp_path / "pictures" / "boat.png")
    assert [(one.label, one.bytes) for one in found] == [("q50", 1401), ("q52", 928), ("q54", 647)]
    assert np.array_equal(found[0].load_pixels(96, 64), pixels)
    with pytest.raises(InputError, match="boat_q50"):
        found[0].load_pixels(64, 96)
    assert find_vvc_pictures(tmp_path / "pictures" / "bridge.png") == ()
