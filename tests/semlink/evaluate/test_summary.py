"""Differences between codecs at equal bytes."""

from __future__ import annotations

import pytest

from semlink.evaluate.results import EvaluationRow
from semlink.evaluate.summary import average_rows, compare_with_anchors
from semlink.report.evaluation import average_table


def make_row(codec: str, picture: str, size: int, **measures: float | None) -> EvaluationRow:
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


def test_a_missing_value_is_left_out_on_both_sides_and_counted():
    rows = [
        make_row("ours", "a", 100, psnr_db=100.0, ms_ssim=None),
        make_row("ours", "b", 100, psnr_db=20.0, ms_ssim=0.8),
        make_row("vvc", "a", 100, psnr_db=90.0, ms_ssim=0.2),
        make_row("vvc", "b", 100, psnr_db=20.0, ms_ssim=0.4),
    ]
    averages = [average_rows(rows[:2]), average_rows(rows[2:])]
    assert averages[0].counts == {"psnr_db": 2, "ms_ssim": 1, "patch_fid": 0}
    (only,) = compare_with_anchors(rows, averages)
    assert only.measures == {"psnr_db": pytest.approx(5), "ms_ssim": pytest.approx(100), "patch_fid": None}
    assert (only.pictures, only.counts["psnr_db"], only.counts["ms_ssim"]) == (2, 2, 1)
    _, table = average_table(averages)
    assert table[0][-2:] == ["60.00", "0.8000 (1)"]
    assert table[1][-2:] == ["55.00", "0.3000"]


def test_a_mean_over_fewer_pictures_than_others_says_so():
    rows = [make_row("ours", name, 100, psnr_db=20.0) for name in "abc"]
    columns, table = average_table([average_rows(rows), average_rows([make_row("avif", "a", 100, psnr_db=30.0)])])
    assert [line[columns.index("pictures")] for line in table] == ["3", "1 of 3"]
