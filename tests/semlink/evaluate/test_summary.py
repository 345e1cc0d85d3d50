"""Differences between codecs at equal bytes."""

from __future__ import annotations

import pytest

from semlink.evaluate.results import EvaluationRow
from semlink.evaluate.summary import average_rows, compare_with_anchors


def make_row(codec: str, picture: str, size: int, **measures: float) -> EvaluationRow:
    return EvaluationRow("", picture, "", codec, "q50", 0, 64, 64, size, 8 * size / 4096, "", "", 0.0, 0.0, measures)


def test_differences_are_over_common_pictures_in_percent():
    rows = [
        make_row("ours", "a", 110, lpips=0.2, psnr_db=24.0),
        make_row("ours", "b", 90, lpips=9.0, psnr_db=1.0),
        make_row("vvc", "a", 100, lpips=0.4, psnr_db=25.0),
    ]
    (only,) = compare_with_anchors(rows, [average_rows(rows[:2], (30.0, 9)), average_rows(rows[2:], (20.0, 9))])
    assert (only.codec, only.anchor, only.pictures, only.bytes) == ("ours", "vvc", 1, pytest.approx(10))
    assert only.measures["lpips"] == pytest.approx(-50)
    assert only.measures["psnr_db"] == pytest.approx(-1)  # in dB, not percent
    assert only.measures["patch_fid"] is None


def test_patch_fid_is_compared_if_both_codecs_decoded_the_same_pictures():
    rows = [make_row("ours", "a", 110), make_row("vvc", "a", 100)]
    (only,) = compare_with_anchors(rows, [average_rows(rows[:1], (30.0, 9)), average_rows(rows[1:], (20.0, 9))])
    assert only.measures["patch_fid"] == pytest.approx(50)
