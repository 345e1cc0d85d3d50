from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from channel.deep_space.scintillation import predict_scintillation, rician_k_db
from shared.errors import ConfigError

X_BAND_HZ, KA_BAND_HZ = 8.42e9, 32.0e9


@pytest.mark.parametrize(
    ("angle", "frequency", "index"),
    # Equation (7) of Morabito 2003 by hand; at 2° the same article's fit to angles above 2° gives 0.36.
    [(2.1, X_BAND_HZ, math.exp(-1.14) + 0.02), (2.0, X_BAND_HZ, 0.36), (1.6, KA_BAND_HZ, math.exp(-1.5) - 0.085)],
)
def test_the_scintillation_index_agrees_with_morabitos_fit(angle, frequency, index):
    assert predict_scintillation(angle, frequency).index == pytest.approx(index, abs=0.02)


@settings(deadline=None)
@given(st.floats(0, 180), st.sampled_from([X_BAND_HZ, KA_BAND_HZ]))
def test_every_angle_results_in_a_finite_k_factor(angle, frequency):
    found = predict_scintillation(angle, frequency)
    assert 0 <= found.index <= 1
    assert -40 <= found.k_db <= 40
    assert (found.regime == "saturated") == (angle <= (1.1 if frequency == X_BAND_HZ else 0.6))
    assert (found.regime == "none") == (angle > 5)


@settings(deadline=None)
@given(st.floats(0, 4.4), st.floats(0.01, 0.4))
def test_at_x_band_scintillation_weakens_with_the_angle(angle, more):
    assert predict_scintillation(angle + more, X_BAND_HZ).index <= predict_scintillation(angle, X_BAND_HZ).index


@settings(deadline=None)
@given(st.floats(0.7, 4.5))
def test_ka_band_scintillates_less_than_x_band(angle):
    assert predict_scintillation(angle, KA_BAND_HZ).index <= predict_scintillation(angle, X_BAND_HZ).index


@pytest.mark.parametrize("index", [0.1, 0.3, 0.6, 0.9])
def test_rician_fading_with_the_computed_k_has_the_scintillation_index(index):
    k = 10 ** (rician_k_db(index) / 10)
    draws = np.random.default_rng(7).standard_normal((2, 400_000)).view(np.float64)
    diffuse = (draws[0] + 1j * draws[1]) / math.sqrt(2)
    power = np.abs(math.sqrt(k / (k + 1)) + diffuse / math.sqrt(k + 1)) ** 2
    assert power.std() / power.mean() == pytest.approx(index, rel=0.01)


def test_no_scintillation_and_saturation_are_the_limits():
    assert rician_k_db(0.0) == 40
    assert rician_k_db(1.0) == -40
    assert predict_scintillation(0.5, X_BAND_HZ).k_db == -40
    assert predict_scintillation(90, X_BAND_HZ).k_db == 40


@pytest.mark.parametrize("angle", [-0.1, 181, math.nan, math.inf])
def test_an_impossible_angle_is_refused(angle):
    with pytest.raises(ConfigError, match=f"sun_angle_deg = {angle}: must be a finite number from 0 to 180"):
        predict_scintillation(angle, X_BAND_HZ)


@pytest.mark.parametrize("frequency", [0.0, math.nan, math.inf, -8.4e9])
def test_an_impossible_frequency_is_refused(frequency):
    with pytest.raises(ConfigError, match=r"frequency_hz = .*: must be a finite number greater than 0"):
        predict_scintillation(3.0, frequency)


@pytest.mark.parametrize("angle", [1.5, 2.0, 3.0, 4.0])
def test_the_law_of_point_sources_agrees_with_the_measurements_at_x_band(angle):
    """Two independent sources: 8.81 GHz is the nearest frequency to the band of Morabito's fit that uses the law."""
    measured, law = (predict_scintillation(angle, hertz).index for hertz in (8.42e9, 8.81e9))
    assert measured / 1.7 < law < measured * 1.7


def test_s_band_scintillates_more_and_farther_from_the_sun():
    at_s_band = predict_scintillation(6.0, 2.3e9)
    assert at_s_band.index == pytest.approx(0.06 * 299_792_458 / 2.3e9 * math.sin(math.radians(6)) ** -1.6)
    assert predict_scintillation(2.0, 2.3e9).regime == "saturated"
    assert predict_scintillation(60.0, 2.3e9).regime == predict_scintillation(179.0, 2.3e9).regime == "none"


def test_the_fading_lasts_as_long_as_the_fresnel_radius_takes_in_the_solar_wind():
    fresnel_km = math.sqrt(299_792.458 / X_BAND_HZ * 149_597_870.7 / 2 / math.pi)
    assert predict_scintillation(2.0, X_BAND_HZ).correlation_s == pytest.approx(fresnel_km / 200)
    assert 0.1 < predict_scintillation(2.0, X_BAND_HZ).correlation_s < 0.2


def test_a_scintillation_index_above_one_is_refused():
    with pytest.raises(ConfigError, match=r"index = 1.2: must be a finite number from 0 to 1"):
        rician_k_db(1.2)
