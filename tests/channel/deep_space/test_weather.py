"""Losses of gases, clouds and rain against the ITU's validation sheets."""

from __future__ import annotations

import sys

import pytest

from channel.deep_space.antenna import Antenna, dish_gain_dbi
from channel.deep_space.bodies import STATIONS, Station
from channel.deep_space.link_budget import LinkBudgetConfig, compute_link_budget
from channel.deep_space.weather import Weather, WeatherSettings, predict_weather
from channel.profile.registry import load_profile
from shared.errors import ConfigError, SetupError

# CG-3M3J-13-ValEx, total attenuation by P.618-13, as itur 0.4 quotes it (test/ITU_validation_test.py, ITUR618_13):
# north, east, GHz, elevation, % of the time, then gases, clouds, rain and scintillation in dB, for a dish of 1 m.
SHEET = [
    (51.5, -0.14, 14.25, 31.07694309, 1.0, 0.223693782, 0.45517046, 0.48914539, 0.26193234),
    (33.94, 18.43, 14.25, 46.35969261, 0.1, 0.168635988, 0.18779409, 1.91338106, 0.37581586),
    (41.9, 12.49, 14.25, 40.23202374, 0.01, 0.184499507, 0.26338517, 8.20502671, 0.5374267),
    (51.5, -0.14, 29.0, 31.07694309, 1.0, 0.799999368, 1.77247154, 2.17897957, 0.38849319),
    (33.94, 18.43, 29.0, 46.35969261, 0.1, 0.62972417, 0.73128577, 7.80829852, 0.55436043),
    (41.9, 12.49, 29.0, 40.23202374, 0.01, 0.673619867, 1.0256437, 28.67456675, 0.79432493),
]


@pytest.mark.parametrize("row", SHEET)
def test_losses_are_those_of_the_itus_validation_sheets(row):
    itur = pytest.importorskip("itur", reason="pip install itur")
    north, east, ghz, elevation_deg, percent, *expected = row
    height_m = 1000 * float(itur.topographic_altitude(north, east).value)  # the sheet's, by P.1511
    antenna = Antenna(1.0, ghz * 1e9, dish_gain_dbi(1.0, 0.65, ghz * 1e9), 10.0)
    settings = WeatherSettings(exceeded_percent=percent, polarisation="horizontal")
    found = predict_weather(settings, Station("x", north, east, height_m), antenna, 0.65, elevation_deg)
    assert [found.gas_db, found.cloud_db, found.rain_db, found.scintillation_db] == pytest.approx(expected, abs=0.1)


def test_a_profile_takes_its_losses_from_the_models():
    pytest.importorskip("itur", reason="pip install itur")
    rain = {"deep_space.weather": "{exceeded_percent: 0.1}", "mcs": "4"}
    ka_band = {"deep_space.budget.frequency_hz": "32e9", "deep_space.stations": "[madrid]"}
    wet = load_profile("deep-space", rain | ka_band).resolve()
    dry = load_profile("deep-space", ka_band | {"mcs": "4", "symbol_rate_hz": str(wet.config.symbol_rate_hz)}).resolve()
    assert wet.budget["rain loss"] < -5
    assert wet.budget["atmosphere noise"] > 150
    assert wet.budget.es_n0_db < dry.budget.es_n0_db - 10


def test_what_absorbs_radiates_and_scintillation_only_fades():
    weather = Weather(1.0, gas_db=0.5, cloud_db=1.0, rain_db=3.0, scintillation_db=3.0)
    budget = compute_link_budget(LinkBudgetConfig(), range_km=2e8, elevation_deg=30, weather=weather)
    assert budget["atmospheric loss"] == -0.5
    assert budget["rain loss"] == -5.0
    assert budget["atmosphere noise"] == pytest.approx(275 * (1 - 10**-0.45))


def test_weather_above_55_ghz_or_without_its_package_is_refused(monkeypatch):
    antenna = Antenna(1.0, 60e9, 50.0, 10.0)
    with pytest.raises(ConfigError, match=r"^deep_space.weather: ITU-R P.618 ends at 55 GHz, .* is 60 GHz"):
        predict_weather(WeatherSettings(exceeded_percent=1.0), STATIONS["madrid"], antenna, 0.6, 30.0)
    monkeypatch.setitem(sys.modules, "itur", None)
    with pytest.raises(SetupError, match=r"the package itur is not installed: pip install itur$"):
        predict_weather(WeatherSettings(exceeded_percent=1.0), STATIONS["madrid"], Antenna(1, 9e9, 40, 10), 0.6, 31.0)
