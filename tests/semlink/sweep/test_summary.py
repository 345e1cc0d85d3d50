"""Confidence intervals, and sums over rows."""

import math

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy import stats

from semlink.report.style import format_measure
from semlink.sweep.store import read_rows
from semlink.sweep.summary import stratified_mean, summarise_points, wilson_interval


@pytest.mark.parametrize(("events", "trials"), [(0, 10), (3, 17), (50, 50), (7, 4000)])
def test_wilson_interval_agrees_with_scipy(events, trials):
    found = wilson_interval(events, trials)
    expected = stats.binomtest(events, trials).proportion_ci(0.95, method="wilson")
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), abs=1e-12)
    assert found.value == events / trials


def test_without_packets_there_is_no_interval():
    found = wilson_interval(0, 0)
    assert math.isnan(found.value)
    assert found.half_width == math.inf


def test_one_picture_has_students_interval():
    values = [24.1, 25.3, 24.7, 26.0]
    found = stratified_mean([values])
    low, high = stats.t.interval(0.95, 3, loc=sum(values) / 4, scale=stats.sem(values))
    assert (found.low, found.high) == pytest.approx((low, high))


def test_differences_between_pictures_do_not_widen_the_interval():
    found = stratified_mean([[20.0, 20.0], [30.0, 30.0]])
    assert (found.value, found.low, found.high) == (25, 25, 25)


def test_one_seed_gives_no_interval():
    found = stratified_mean([[20.0], [21.0]])
    assert found.low is None
    assert found.half_width == math.inf


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.lists(st.floats(-50, 50), min_size=2, max_size=5), min_size=1, max_size=5))
def test_the_interval_contains_the_mean(strata):
    found = stratified_mean(strata)
    assert found.low <= found.value <= found.high


def test_points_are_sums_over_their_rows(sweep_folder):
    rows = read_rows([sweep_folder])
    points = summarise_points(rows)
    assert len(rows) == 40
    assert [point.snr_db for point in points] == [-3, 0, 3, 9]
    assert sum(point.packets for point in points) == sum(row["packets"] for row in rows)
    assert sum(point.failed for point in points) == sum(row["packets"] - row["delivered"] for row in rows)
    assert all(point.rows == 10 and point.seeds == (0, 1, 2, 3, 4) for point in points)
    assert all(point.channel_uses <= 1500 for point in points)
    # Fading loses fewer packets at a higher SNR, which raises the quality.
    assert points[0].bler.value > points[-1].bler.value
    assert points[0].measures["psnr_db"].value < points[-1].measures["psnr_db"].value
    assert points[0].endings["lost"] > points[-1].endings.get("lost", 0)


def test_a_measure_that_a_picture_lacks_is_a_mean_over_the_others_with_their_number(sweep_folder):
    rows = read_rows([sweep_folder])
    small = {row["picture"] for row in rows if row["picture"].startswith("p0")}
    values = {True: None, False: 0.9}
    point, *_ = summarise_points([row | {"ms_ssim": values[row["picture"] in small]} for row in rows])
    assert (point.measures["ms_ssim"].value, point.measured) == (0.9, {"psnr_db": 2, "ms_ssim": 1})
    assert format_measure(point, "ms_ssim") == "0.9000 ±0.0000 (1)"
    assert "(" not in format_measure(point, "psnr_db")
