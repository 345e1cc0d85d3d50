from __future__ import annotations

import math

import numpy as np
import pytest

from channel.deep_space.antenna import Antenna, dish_diameter_m, dish_gain_dbi

HERTZ = 8.42e9


def dish(diameter_m=34.0, taper_db=10.0, efficiency=0.7):
    return Antenna(diameter_m, HERTZ, dish_gain_dbi(diameter_m, efficiency, HERTZ), taper_db)


def test_the_gain_is_that_of_the_aperture():
    wavelength_m = 299_792_458 / HERTZ
    area_m2 = math.pi * 17**2
    assert dish_gain_dbi(34, 0.7, HERTZ) == pytest.approx(
        10 * math.log10(0.7 * 4 * math.pi * area_m2 / wavelength_m**2)
    )
    assert dish_diameter_m(dish_gain_dbi(34, 0.7, HERTZ), 0.7, HERTZ) == pytest.approx(34)


@pytest.mark.parametrize(("taper_db", "degrees"), [(0, 58.9), (10, 65.3), (40, 72.5)])
def test_the_beamwidth_is_that_of_the_textbook(taper_db, degrees):
    """Stutzman and Thiele: 1.02 λ/D for an even aperture, 1.14 with a pedestal of -10 dB, 1.27 for a parabolic one."""
    antenna = dish(taper_db=taper_db)
    assert antenna.beamwidth_deg * antenna.wavelengths == pytest.approx(degrees, rel=0.01)
    assert antenna.pointing_loss_db(antenna.beamwidth_deg / 2) == pytest.approx(10 * math.log10(2), abs=1e-6)
    assert antenna.pointing_loss_db(0.0) == 0


def test_a_tapered_aperture_radiates_all_its_power_once():
    """Without sidelobes, at the efficiency of its taper: 91.8 % of an even aperture for a pedestal of -10 dB."""
    antenna = dish(efficiency=0.918)
    lobe = antenna.disc_share(0.0, 4 * antenna.beamwidth_deg)
    assert 0.96 < lobe <= 1.0


def test_sidelobes_follow_the_itu_envelope():
    """SA.509: 32 - 25 log φ; F.699 for D/λ below 100: 52 - 10 log(D/λ) - 25 log φ; both level off at 48°."""
    large, small = dish(), dish(3.0)
    angles = np.array([1.0, 10.0, 47.0, 180.0])
    at_47_db = 25 * math.log10(47)
    assert large.gains_dbi(angles) == pytest.approx([32, 7, 32 - at_47_db, -10], abs=0.01)
    ratio_db = 10 * math.log10(small.wavelengths)
    expected = [27 - ratio_db, 52 - at_47_db - ratio_db, 10 - ratio_db]
    assert small.gains_dbi(angles[1:]) == pytest.approx(expected, abs=0.01)


@pytest.mark.parametrize("diameter_m", [0.02, 0.3, 3.0, 34.0, 70.0])
def test_no_direction_has_more_gain_than_the_axis_and_none_is_undefined(diameter_m):
    antenna = dish(diameter_m)
    gains = antenna.gains_dbi(np.linspace(0, 180, 20_001))
    assert np.all(np.isfinite(gains))
    assert gains.max() == gains[0] == pytest.approx(antenna.gain_dbi)
    assert antenna.disc_share(0, 360) <= 1


@pytest.mark.parametrize("offset_deg", [0.0, 0.2, 0.6, 1.1])
def test_the_share_of_a_disc_is_the_integral_over_it(offset_deg):
    antenna = dish(diameter_m=10.0)
    edge = np.linspace(-0.265, 0.265, 801)
    x, y = np.meshgrid(edge, edge)
    gains = 10 ** (antenna.gains_dbi(np.hypot(x + offset_deg, y)) / 10) * (np.hypot(x, y) <= 0.265)
    expected = gains.sum() * np.radians(edge[1] - edge[0]) ** 2 / (4 * math.pi)
    assert antenna.disc_share(offset_deg, 0.53) == pytest.approx(expected, rel=0.01)
