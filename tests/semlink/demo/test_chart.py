"""The chart of the demo."""

from __future__ import annotations

import io

import pytest
from PIL import Image

from semlink.demo.chart import draw_chart, summarise_runs
from semlink.demo.runs import CLASSICAL_NAME, SEMLINK_NAME, Run
from shared.outcome import LOST, REBUILT


def make_run(system: str, snr_db: float, seed: int, outcome: str, psnr_db: float) -> Run:
    return Run("coffee.png", snr_db, seed, system, 3, 2, outcome, psnr_db)


RUNS = [
    make_run(CLASSICAL_NAME, 8.0, 0, REBUILT, 24.0),
    make_run(SEMLINK_NAME, 8.0, 0, REBUILT, 23.0),
    make_run(CLASSICAL_NAME, 8.0, 1, LOST, 12.0),
    make_run(SEMLINK_NAME, 8.0, 1, REBUILT, 21.0),
    make_run(SEMLINK_NAME, -2.0, 0, REBUILT, 15.0),
]


def test_a_point_is_the_mean_and_the_standard_deviation_of_all_runs_lost_ones_included():
    classical, semlink, last = summarise_runs(RUNS)
    assert (classical.system, classical.runs, classical.lost) == (CLASSICAL_NAME, 2, 1)
    assert (classical.psnr_db, classical.spread_db) == pytest.approx((18.0, 6.0))
    assert (semlink.psnr_db, semlink.spread_db, semlink.lost) == pytest.approx((22.0, 1.0, 0))
    assert (last.snr_db, last.psnr_db, last.spread_db) == (-2.0, 15.0, 0.0)


def test_the_chart_has_the_width_that_is_asked_for_and_a_line_of_each_system():
    with Image.open(io.BytesIO(draw_chart(summarise_runs(RUNS), "$a$", 1, 2, width=900))) as image:
        assert image.width == 900
        colours = {colour[:3] for _, colour in image.convert("RGBA").getcolors(maxcolors=1 << 20)}
    assert {(0xB3, 0x54, 0x1E), (0x1F, 0x5F, 0xA8)} <= colours
