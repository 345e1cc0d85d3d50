from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from channel.deep_space.bodies import find_body
from channel.deep_space.geometry import find_line_of_sight
from channel.deep_space.link_budget import (
    Background,
    LinkBudgetConfig,
    compute_link_budget,
    free_space_loss_db,
    markdown_table,
)
from shared.errors import ConfigError, UnknownNameError
from shared.validation import validate

configs = st.builds(
    LinkBudgetConfig,
    frequency_hz=st.floats(1e9, 4e10),
    transmit_power_w=st.floats(0.1, 1e4),
    transmit_loss_db=st.floats(0, 10),
    transmit_gain_dbi=st.floats(0, 70),
    transmit_pointing_error_deg=st.floats(0, 0.1),
    zenith_attenuation_db=st.floats(0, 3),
    rain_loss_db=st.floats(0, 20),
    polarisation_loss_db=st.floats(0, 3),
    receive_gain_dbi=st.floats(20, 80),
    receiver_temperature_k=st.floats(1, 500),
    extra_noise_k=st.floats(0, 100),
    implementation_loss_db=st.floats(0, 3),
    data_rate_bps=st.floats(1, 1e9),
    symbol_rate_hz=st.floats(1, 1e9),
)
ranges_km = st.floats(1e5, 2e9)
elevations = st.floats(5, 90)


@settings(deadline=None)
@given(configs, ranges_km, elevations)
def test_lines_add_up(config, range_km, elevation):
    budget = compute_link_budget(config, body="mars", range_km=range_km, elevation_deg=elevation)
    values = {line.name: line.value for line in budget.lines}
    assert len(values) == len(budget.lines)
    losses = ("transmit pointing loss", "free-space loss", "atmospheric loss", "rain loss", "polarisation loss")
    eirp = values["transmit power"] + values["transmit losses"] + values["transmit antenna gain"]
    received = eirp + sum(values[name] for name in (*losses, "receive pointing loss")) + values["receive antenna gain"]
    noise = ("receiver noise", "atmosphere noise", "cosmic background", "body noise", "Sun noise", "other noise")
    temperature = sum(values[name] for name in noise)
    c_n0 = received - 10 * math.log10(1.380649e-23 * temperature)
    assert budget["EIRP"] == pytest.approx(eirp)
    assert budget["received power"] == pytest.approx(received)
    assert budget["system noise temperature"] == pytest.approx(temperature)
    assert budget["G/T"] == pytest.approx(values["receive antenna gain"] - 10 * math.log10(temperature))
    assert budget["C/N0"] == pytest.approx(c_n0)
    assert budget.eb_n0_db == pytest.approx(
        c_n0 - config.implementation_loss_db - 10 * math.log10(config.data_rate_bps)
    )
    assert budget.es_n0_db - budget.eb_n0_db == pytest.approx(
        10 * math.log10(config.data_rate_bps / config.symbol_rate_hz)
    )
    assert all(values[name] <= 0 for name in losses)


@settings(deadline=None)
@given(configs, ranges_km, elevations)
def test_every_loss_lowers_es_n0(config, range_km, elevation):
    def es_n0_db(distance=range_km, degrees=elevation, **changes):
        changed = config.model_copy(update=changes)
        return compute_link_budget(changed, body="saturn", range_km=distance, elevation_deg=degrees).es_n0_db

    here = es_n0_db()
    # 6 dB less for the signal; the noise of a body that fills part of the beam falls by up to as much.
    assert es_n0_db(distance=range_km * 2) < here
    assert es_n0_db(rain_loss_db=config.rain_loss_db + 1) < here - 0.99 or config.rain_loss_db > 5
    assert es_n0_db(degrees=90) >= here - 0.7  # a clearer sky also lets more of a hot body's noise through
    assert es_n0_db(extra_noise_k=config.extra_noise_k + 10) < here
    assert es_n0_db(transmit_power_w=config.transmit_power_w * 10) == pytest.approx(here + 10)


@settings(deadline=None)
@given(ranges_km, st.floats(1e9, 4e10))
def test_free_space_loss_agrees_with_astropys_units(range_km, frequency_hz):
    import astropy.units as u

    wavelength = (frequency_hz * u.Hz).to(u.m, equivalencies=u.spectral())
    spread = (4 * math.pi * (range_km * u.km) / wavelength).to_value(u.dimensionless_unscaled)
    assert free_space_loss_db(range_km, frequency_hz) == pytest.approx(20 * math.log10(spread), abs=1e-9)


def test_mars_pathfinders_published_budget():
    """P. Karn, "Mars Pathfinder X-band Downlink Budget" (1997), from figures of JPL, July 4; power in dBm less 30."""
    config = LinkBudgetConfig(transmit_power_w=10.0, transmit_gain_dbi=24.0, zenith_attenuation_db=0.0)
    bare = compute_link_budget(config, body="mars", range_km=191e6, elevation_deg=30)
    assert bare["EIRP"] == pytest.approx(34, abs=1e-9)
    assert bare["free-space loss"] == pytest.approx(-276.6, abs=0.1)
    assert bare["received power"] == pytest.approx(-144.6 - 30, abs=0.1)
    sky = compute_link_budget(
        config.model_copy(update={"zenith_attenuation_db": 0.041}),
        body="mars",
        range_km=find_line_of_sight("mars", "1997-07-04T17:00").range_km,
        elevation_deg=30,
    )
    assert sky["system noise temperature"] == pytest.approx(28, abs=0.5)
    # Measured at DSS-15: -145.4 dBm, from which 38.73 dBHz follow. The pointing and line losses are not published.
    assert sky["received power"] == pytest.approx(-145.4 - 30, abs=1.0)
    assert sky["C/N0"] == pytest.approx(38.73, abs=1.0)


def test_a_published_ka_band_budget():
    """ "Mars MicroSpacecraft Link Budget" at 2.52 au; its losses on the path are taken as one, Tsys as given."""
    frequency_hz = 32.3e9
    config = LinkBudgetConfig(
        frequency_hz=frequency_hz,
        transmit_power_w=4.0,
        transmit_gain_dbi=42.34,
        transmit_loss_db=1.0 + 0.39 + 0.70,
        polarisation_loss_db=1.0 + 0.1 + 0.1 + 1.0 + 0.1,
        zenith_attenuation_db=0.0,
        receive_gain_dbi=74.70,
        receiver_temperature_k=31.2 - 2.725,
        implementation_loss_db=0.45,
        data_rate_bps=2400.0,
    )
    budget = compute_link_budget(config, body="mars", range_km=378e6, elevation_deg=90)
    assert budget["EIRP"] == pytest.approx(46.28, abs=0.02)
    assert budget["free-space loss"] == pytest.approx(-294.20, abs=0.03)
    assert budget["received power"] == pytest.approx(-250.22 + 74.70, abs=0.05)
    assert budget["G/T"] == pytest.approx(59.76, abs=0.05)
    assert budget["C/N0"] == pytest.approx(38.14, abs=0.1)
    assert budget.eb_n0_db == pytest.approx(4.33 - 0.45, abs=0.1)


def test_the_default_orbiter_closes_its_link_at_the_farthest():
    """NASA on MRO: at least 500 kbit/s from about 250 million miles."""
    budget = compute_link_budget(LinkBudgetConfig(), body="mars", range_km=250e6 * 1.609344, elevation_deg=30)
    assert 5 < budget.eb_n0_db < 10
    assert LinkBudgetConfig().receive_antenna.gain_dbi == pytest.approx(68, abs=0.01)  # Karn's 34 m antenna


@pytest.mark.parametrize("frequency_hz", [2.295e9, 8.42e9, 16e9])
def test_twice_the_frequency_at_the_same_dishes_is_6_02_db(frequency_hz):
    """Two dishes gain 12.04 dB, the path loses 6.02 dB. The sky is taken out: its noise depends on the beam."""
    dark = {"zenith_attenuation_db": 0.0}

    def c_n0_db_hz(hertz):
        config = LinkBudgetConfig(frequency_hz=hertz, **dark)
        return compute_link_budget(config, range_km=2e8, elevation_deg=30)["C/N0"]

    assert c_n0_db_hz(2 * frequency_hz) - c_n0_db_hz(frequency_hz) == pytest.approx(20 * math.log10(2), abs=1e-6)


def test_s_band_loses_what_x_band_gains():
    s_band, x_band = (
        compute_link_budget(LinkBudgetConfig(frequency_hz=hertz), range_km=2e8, elevation_deg=30)
        for hertz in (2.295e9, 8.42e9)
    )
    assert x_band.es_n0_db - s_band.es_n0_db == pytest.approx(20 * math.log10(8.42 / 2.295), abs=1e-6)


def test_the_noise_of_the_default_atmosphere_is_that_measured_at_goldstone():
    """5.1 K at 30° elevation, X-band, 80 % of the time: "Models of weather effects on noise temperature ..."."""
    budget = compute_link_budget(LinkBudgetConfig(), body="mars", range_km=2e8, elevation_deg=30)
    assert budget["atmosphere noise"] == pytest.approx(5.1, abs=0.05)


def test_the_moon_fills_a_large_antennas_beam_and_mars_does_not():
    moon = compute_link_budget(LinkBudgetConfig(), body="moon", range_km=384_400, elevation_deg=90)
    assert 0.9 * 240 < moon["body noise"] < 240
    config = LinkBudgetConfig(zenith_attenuation_db=0.0)
    mars = compute_link_budget(config, body="mars", range_km=2e8, elevation_deg=90)
    gain = 0.7 * (math.pi * 34 * 8.42e9 / 299_792_458) ** 2
    assert mars["body noise"] == pytest.approx(190 * gain * (6792.4 / 2e8) ** 2 / 16, rel=2e-3)


@pytest.mark.parametrize(
    ("angle_deg", "least_k", "most_k"), [(1.1, 80, 155), (2.0, 15, 30), (5.0, 1, 3), (90, 0, 0.02)]
)
def test_the_sun_adds_noise_by_its_angle_from_the_beam(angle_deg, least_k, most_k):
    """At X-band and 1.1° a station's 25.6 K were 80 to 155 K too little."""
    behind = Background(sun_angle_deg=angle_deg)
    budget = compute_link_budget(LinkBudgetConfig(), range_km=3.5e8, elevation_deg=30, background=behind)
    assert least_k < budget["Sun noise"] < most_k
    active = LinkBudgetConfig(sun_temperature_k=24_000)
    twice = compute_link_budget(active, range_km=3.5e8, elevation_deg=30, background=behind)
    assert twice["Sun noise"] / budget["Sun noise"] == pytest.approx(2, rel=0.02)


def test_the_range_does_not_move_the_body():
    moon = Background(find_body("moon"), 384_400)
    near = compute_link_budget(LinkBudgetConfig(), range_km=1200, elevation_deg=30, background=moon)
    far = compute_link_budget(LinkBudgetConfig(), range_km=384_400, elevation_deg=30, background=moon)
    assert near["body noise"] == far["body noise"]


def test_an_uplink_sees_the_earth_and_no_atmosphere():
    budget = compute_link_budget(LinkBudgetConfig(), range_km=2e8, elevation_deg=30, uplink=True)
    assert budget["atmosphere noise"] == 0
    assert 0 < budget["body noise"] < 240
    assert "earth of 240 K" in markdown_table(budget)


def test_the_table_prints_every_line():
    budget = compute_link_budget(LinkBudgetConfig(), body="mars", range_km=2e8, elevation_deg=30)
    rows = markdown_table(budget).splitlines()
    assert len(rows) == len(budget.lines) + 2
    assert all(row.count("|") == 5 for row in rows)
    assert "| rain loss | 0.000 | dB | given: along the path |" in rows
    assert "| EIRP | 66.237 | dBW | sum of the lines above |" in rows
    assert "| receive antenna gain | 67.993 | dBi | 10 log10(0.7 · (π · 34 m · f / c)²) |" in rows


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"range_km": -5.0}, r"range_km = -5.0: must be a finite number from 1 to 1e\+12"),
        ({"range_km": math.nan}, "range_km = nan: must be a finite number"),
        ({"range_km": math.inf}, "range_km = inf: must be a finite number"),
        ({"elevation_deg": 4.9}, "elevation_deg = 4.9: must be a finite number from 5 to 90"),
        ({"elevation_deg": math.nan}, "elevation_deg = nan: must be"),
    ],
)
def test_bad_geometry_is_refused_in_one_line(changes, message):
    with pytest.raises(ConfigError, match=message):
        compute_link_budget(LinkBudgetConfig(), body="mars", **({"range_km": 2e8, "elevation_deg": 30.0} | changes))


def test_an_unknown_body_is_refused_by_name():
    with pytest.raises(UnknownNameError, match="body = 'vulcan'"):
        compute_link_budget(LinkBudgetConfig(), body="vulcan", range_km=2e8, elevation_deg=30)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"receive_gain_dbi": 60.0, "receive_dish_m": 34.0},
            "^receive_gain_dbi: leave it out, or leave receive_dish_m",
        ),
        ({"transmit_gain_dbi": 60.0, "transmit_efficiency": 0.5}, "^transmit_gain_dbi: leave it out"),
        (
            {"frequency_hz": 1e8, "transmit_dish_m": 0.5},
            "^transmit_dish_m is so small at 1e[+]08 Hz that .*below 0 dBi",
        ),
    ],
)
def test_an_antenna_that_contradicts_itself_is_refused(changes, message):
    with pytest.raises(ConfigError, match=message):
        validate(LinkBudgetConfig, changes)


@pytest.mark.parametrize("field", sorted(LinkBudgetConfig.model_fields))
@pytest.mark.parametrize("value", [math.nan, math.inf, -1.0, "1"])
def test_a_bad_setting_is_refused_with_field_and_value_in_one_line(field, value):
    with pytest.raises(ConfigError, match=f"^{field} = ") as caught:
        validate(LinkBudgetConfig, {field: value})
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("wrong", [(-1.0, 8e9), (0.0, 8e9), (math.inf, 8e9), (2e8, math.nan), (2e8, -8e9)])
def test_free_space_loss_refuses_impossible_distances_and_frequencies(wrong):
    with pytest.raises(ConfigError, match=r"(range_km|frequency_hz) = .*: must be a finite number greater than 0"):
        free_space_loss_db(*wrong)
