from __future__ import annotations

import math
import tracemalloc
from functools import cache

import numpy as np
import pytest

from channel.phy.capacity import awgn_capacity, bicm_capacity, rayleigh_outage
from channel.phy.outage import MOST_FADES, es_n0_db_at, mean_rate, outage_capacity, power_cdf, rate_at
from shared.errors import ConfigError

POINTS_DB = np.arange(-60, 50, 0.1)


@cache
def rates(modulation_order: int) -> list[float]:
    return [awgn_capacity(db) if modulation_order == 0 else bicm_capacity(db, modulation_order) for db in POINTS_DB]


@pytest.mark.parametrize("es_n0_db", [-10.0, 0.0, 10.0, 20.0, 35.0])
@pytest.mark.parametrize("outage", [0.001, 0.1, 0.5])
def test_over_one_rayleigh_fade_the_outage_is_the_closed_form(es_n0_db: float, outage: float) -> None:
    rate = outage_capacity(es_n0_db, 0.0, 1, outage)
    assert rayleigh_outage(rate, es_n0_db) == pytest.approx(outage, rel=0.005)


@pytest.mark.parametrize("fades", [0.5, 1.25, 2.0, 7.75, 40.0])
@pytest.mark.parametrize("k_ratio", [0.0, 4.0])
@pytest.mark.parametrize("modulation_order", [0, 4])
def test_the_distribution_agrees_with_sampled_fades(fades: float, k_ratio: float, modulation_order: int) -> None:
    count = math.ceil(fades)
    weights = np.ones(count)
    weights[-1] = fades - (count - 1) if fades > 1 else 1.0
    draws = np.random.default_rng(2).standard_normal((20_000, count, 2)) * math.sqrt(0.5 / (k_ratio + 1))
    draws[..., 0] += math.sqrt(k_ratio / (k_ratio + 1))
    met_db = 12.0 + 10 * np.log10(np.square(draws).sum(axis=2))
    drawn = np.interp(met_db, POINTS_DB, rates(modulation_order)) @ weights / weights.sum()
    found = mean_rate(12.0, k_ratio, fades, modulation_order)
    for probability in (0.01, 0.1, 0.5, 0.9):
        share = float(np.mean(drawn < found.quantile(probability)))
        assert share == pytest.approx(probability, abs=4.5 * math.sqrt(probability * (1 - probability) / 20_000))


def test_more_fades_near_the_mean_capacity_and_no_fading_is_capacity() -> None:
    rates = [outage_capacity(10.0, 0.0, fades, 0.1) for fades in (1, 1.01, 1.5, 2, 4, 64, MOST_FADES, 4 * MOST_FADES)]
    assert rates == sorted(rates)
    mean = float(mean_rate(10.0, 0.0, 1).masses @ mean_rate(10.0, 0.0, 1).rates)
    assert rates[-1] < mean
    assert rates[-1] == pytest.approx(mean, rel=0.02)
    for k_ratio in (math.inf, 1e10):
        assert outage_capacity(10.0, k_ratio, 1, 0.1) == pytest.approx(awgn_capacity(10.0), rel=1e-4)


def test_the_normal_approximation_continues_the_exact_distribution() -> None:
    exact, normal = (mean_rate(10.0, 0.0, fades) for fades in (MOST_FADES, MOST_FADES + 1))
    for probability in (0.01, 0.1, 0.5):
        assert normal.quantile(probability) == pytest.approx(exact.quantile(probability), rel=0.002)


@pytest.mark.parametrize("fades", [100.0, 5e5, float(1 << 24)])
def test_many_fades_need_a_few_megabytes(fades: float) -> None:
    tracemalloc.start()
    outage_capacity(7.0, 0.0, fades, 0.1)
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak_bytes < 20e6


@pytest.mark.parametrize("es_n0_db", [-100.0, 100.0])
@pytest.mark.parametrize("k_ratio", [1e-10, 1.0, 1e10])
@pytest.mark.parametrize("modulation_order", [0, 2, 6])
def test_extreme_profile_values_result_in_a_distribution(
    es_n0_db: float, k_ratio: float, modulation_order: int
) -> None:
    for fades in (1.0, 3.3, 5000.0):
        found = mean_rate(es_n0_db, k_ratio, fades, modulation_order)
        assert found.masses.sum() == pytest.approx(1.0)
        assert found.masses.min() >= 0
        assert np.isfinite(found.rates).all()


@pytest.mark.parametrize("k_ratio", [0.5, 990.0, 1000.0, 1e8])
def test_a_fade_has_unit_mean_power_in_both_distributions(k_ratio: float) -> None:
    power = np.linspace(0, 60, 600_001) if k_ratio < 1 else np.linspace(0, 2, 20_001)
    assert np.trapezoid(1 - power_cdf(power, k_ratio), power) == pytest.approx(1.0, abs=2e-5)
    assert power_cdf(np.array([1.0]), k_ratio)[0] == pytest.approx(0.5 if k_ratio > 100 else 0.6, abs=0.1)


@pytest.mark.parametrize("modulation_order", [0, 2, 4, 6])
def test_rate_and_es_n0_are_each_others_inverse(modulation_order: int) -> None:
    for es_n0_db in (-15.0, 0.0, 5.3):
        rate = rate_at(es_n0_db, modulation_order)
        assert es_n0_db_at(np.array([rate]), modulation_order)[0] == pytest.approx(es_n0_db, abs=1e-6)


@pytest.mark.parametrize(("fades", "outage"), [(0, 0.1), (-1, 0.1), (math.nan, 0.1), (math.inf, 0.1), (1, 0), (1, 1)])
def test_an_impossible_outage_is_refused(fades: float, outage: float) -> None:
    with pytest.raises(ConfigError, match="outage"):
        outage_capacity(10.0, 0.0, fades, outage)
