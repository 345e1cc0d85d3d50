"""The deep-space channel: its values for a body and a date, against the functions that compute them."""

from __future__ import annotations

import math
from datetime import timedelta

import pytest

from channel.deep_space.bodies import STATIONS
from channel.deep_space.contact import add_window_end
from channel.deep_space.geometry import elevation_deg, find_line_of_sight
from channel.deep_space.scintillation import predict_scintillation
from channel.link.link import Link
from channel.link.transmission import Transmission
from channel.phy.mcs_selection import fastest_mcs
from channel.profile.registry import load_profile
from channel.propagation.impairments import MAX_TIME_S, Outages
from channel.propagation.kinds import Awgn, Rician
from shared.errors import ConfigError, LinkError


@pytest.fixture(scope="module")
def mars():
    return load_profile("deep-space", {"deep_space.body": "mars", "deep_space.date": "2026-03-01"}).resolve()


def test_snr_delay_and_mcs_follow_from_body_and_date(mars):
    seen = find_line_of_sight("mars", mars.contact.departure, STATIONS[mars.contact.station])
    config, budget = mars.config, mars.budget
    assert mars.contact.departure.isoformat() == "2026-03-01T00:00:00+00:00"
    assert config.propagation_delay_s == seen.light_time_s == pytest.approx(1168.3, abs=0.1)
    assert mars.contact.elevation_deg == elevation_deg("mars", mars.contact.station, mars.contact.departure)
    assert config.es_n0_db == budget.es_n0_db
    assert config.mcs == fastest_mcs(budget.es_n0_db, margin_db=3).index
    assert budget.eb_n0_db == pytest.approx(config.eb_n0_db)
    assert config.transmit_power_w == 100.0
    assert isinstance(config.propagation, Awgn)


def test_a_station_that_does_not_see_the_body_waits_for_its_pass():
    profile = load_profile("deep-space", {"deep_space.stations": "[madrid]", "deep_space.min_elevation_deg": "30"})
    found = profile.resolve().contact
    assert found.station == "madrid"
    assert found.departure.hour > 2
    assert elevation_deg("mars", "madrid", found.departure) == pytest.approx(30, abs=0.01)


def test_a_given_distance_replaces_the_ephemeris_range_in_budget_and_light_time(mars):
    far = load_profile("deep-space", {"deep_space.distance_km": "4e8", "mcs": "4"}).resolve()
    nearer_db = 20 * math.log10(4e8 / mars.contact.line_of_sight.range_km)
    assert far.config.propagation_delay_s == pytest.approx(4e8 / 299_792.458)
    assert far.contact.line_of_sight.arrival - far.contact.departure == timedelta(seconds=4e8 / 299_792.458)
    assert far.budget["free-space loss"] == pytest.approx(mars.budget["free-space loss"] - nearer_db)
    assert far.config.es_n0_db == pytest.approx(mars.config.es_n0_db - nearer_db, abs=0.05)
    assert far.contact.window == mars.contact.window
    assert far.contact.elevation_deg == mars.contact.elevation_deg
    assert far.budget["body noise"] == mars.budget["body noise"]
    assert far.budget["Sun noise"] == mars.budget["Sun noise"]


def test_behind_the_sun_the_signal_fades():
    resolved = load_profile("deep-space-conjunction").resolve()
    seen = resolved.contact.line_of_sight
    assert seen.behind_sun
    assert isinstance(resolved.config.propagation, Rician)
    assert resolved.config.propagation.k_factor_db == predict_scintillation(seen.sun_angle_deg, 8.42e9).k_db < 0
    assert 70 < resolved.budget["Sun noise"] < 155
    # Through the 2 ms of a packet and on to the next the fade stays: the pattern drifts for 0.15 s.
    turn_s = 1 / resolved.config.propagation.turn_rad_s
    assert turn_s == pytest.approx(resolved.contact.fading.correlation_s)
    assert 0.1 < turn_s < 0.2


def test_a_delay_line_keeps_the_power_that_empty_carriers_do_not_use(mars):
    """72 of 128 carriers share all of the power: 2.5 dB more for each than at the same symbol rate without carriers."""
    grid = "{fft_size: 128, cyclic_prefix: 9, guard_carriers_low: 28, guard_carriers_high: 27}"
    tdl = "{kind: tdl, profile: D, delay_spread_s: 1e-7, carrier_frequency_hz: 8.42e9, grid: " + grid + "}"
    rate = {"symbol_rate_hz": "1.92e6", "deep_space.date": "2026-03-01"}
    under_ofdm = load_profile("deep-space", rate | {"propagation": tdl}).resolve()
    single = load_profile("deep-space", rate).resolve()
    assert under_ofdm.config.es_n0_db - single.config.es_n0_db == pytest.approx(10 * math.log10(128 / 72))
    # Everything on air, pilots and prefixes too, has the transmitter's power: C / (N0 · bits per second).
    grid_settings = under_ofdm.config.propagation.grid
    slot_bits = grid_settings.data_elements * under_ofdm.config.scheme.spectral_efficiency
    bits_per_s = slot_bits / (grid_settings.slot_channel_uses / 1.92e6)
    on_air_db = under_ofdm.budget["C/N0"] - 10 * math.log10(bits_per_s)
    assert under_ofdm.config.eb_n0_on_air_db == pytest.approx(on_air_db, abs=0.001)


@pytest.mark.parametrize(("body", "at_most_hz"), [("mars", 1e6), ("saturn", 5e5)])
def test_the_symbol_rate_is_the_highest_that_keeps_the_margin(body, at_most_hz):
    found = load_profile("deep-space", {"deep_space.body": body}).resolve()
    rate_hz, scheme = found.config.symbol_rate_hz, found.config.mcs
    assert rate_hz <= at_most_hz
    assert found.config.es_n0_db == found.budget.es_n0_db
    if rate_hz < 1e6:
        assert scheme == 3
        faster = load_profile("deep-space", {"deep_space.body": body, "symbol_rate_hz": str(rate_hz * 1.2)})
        with pytest.raises(ConfigError, match="symbol_rate_hz: auto finds the highest that works"):
            faster.resolve()


def test_an_own_station_and_an_uplink():
    munich = "[{name: munich, latitude_deg: 48.09, longitude_deg: 11.28, height_m: 600}]"
    changes = {
        "deep_space.stations": munich,
        "deep_space.direction": "uplink",
        "deep_space.budget.frequency_hz": "7.19e9",
        "mcs": "4",
    }
    found = load_profile("deep-space", changes).resolve()
    assert found.contact.station == "munich"
    assert found.contact.elevation_deg >= 10
    assert found.budget["atmosphere noise"] == 0
    assert "earth of 240 K" in {line.name: line.how for line in found.budget.lines}["body noise"]


def test_a_spacecraft_without_ephemeris_has_neither_body_nor_sun():
    far = {"deep_space.body": "null", "deep_space.spacecraft": "{name: probe, elevation_deg: 30}", "mcs": "4"}
    found = load_profile("deep-space", far | {"deep_space.distance_km": "1e8"}).resolve()
    assert found.config.propagation_delay_s == pytest.approx(1e8 / 299_792.458)
    assert (found.contact.line_of_sight.body, found.contact.elevation_deg) == ("probe", 30)
    assert found.budget["body noise"] == found.budget["Sun noise"] == 0
    with pytest.raises(ConfigError, match=r"^deep_space.distance_km is missing"):
        load_profile("deep-space", far)


def test_given_values_replace_computed_ones():
    changes = {"snr_db": "3", "mcs": "5", "propagation_delay_s": "2", "propagation": "{kind: rayleigh}"}
    config = load_profile("deep-space-conjunction", changes | {"transmit_power_w": "7"}).config()
    assert (config.es_n0_db, config.mcs, config.propagation_delay_s, config.transmit_power_w) == (3, 5, 2, 7)
    assert config.propagation.kind == "rayleigh"


def test_packets_that_leave_after_the_window_are_lost(mars, chains, space_packet):
    found, rate_hz = mars.contact, 1.0  # a packet takes minutes
    uses = 140
    short = found.window.start + timedelta(seconds=2.5 * uses)
    closing = add_window_end(None, _until(found, short))
    config = mars.config.model_copy(
        update={
            "impairments": mars.config.impairments.model_copy(update={"outages": closing}),
            "symbol_rate_hz": rate_hz,
        }
    )
    transmission = Transmission(Link(config, chains), 0)
    arrivals = [*transmission.carry([space_packet(16, seed) for seed in range(4)]), *transmission.finish()]
    assert {arrival.channel_uses for arrival in arrivals} == {-(-152 * 1024 // (679 * 2))}
    lost = [arrival.departure_s + arrival.air_time_s > 2.5 * uses for arrival in arrivals]
    assert [arrival.packet is None for arrival in arrivals] == lost
    assert 0 < sum(lost) < len(lost)


def _until(found, end):
    from dataclasses import replace

    return replace(found, window=replace(found.window, end=end))


def test_outages_of_the_profile_stay_until_the_window_closes(mars):
    closes_s = mars.contact.window.duration_s + mars.contact.line_of_sight.light_time_s
    given = Outages(windows_s=((1.0, 2.0), (closes_s - 1, closes_s + 1), (closes_s + 2, closes_s + 3)), period_s=60.0)
    both = add_window_end(given, mars.contact)
    assert both.windows_s == ((1.0, 2.0), (closes_s - 1, closes_s), (closes_s, MAX_TIME_S))
    assert both.period_s == 60.0
    assert Outages.model_validate(both.model_dump()) == both


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"deep_space.body": "pluto"}, r"^body = 'pluto': must be one of moon, mars, jupiter, saturn"),
        ({"deep_space.date": "soon"}, r"^date = 'soon': must be an ISO 8601 date"),
        ({"deep_space.date": "2100-01-01"}, r"^date = 2100-01-01T00:00:00Z: must be from 1900-01-01 to 2053-10-01"),
        ({"deep_space.stations": "[paris]"}, r"^station = 'paris': must be one of goldstone"),
        ({"deep_space.stations": "[]"}, r"^deep_space.stations = \(?\[?.*at least 1"),
        ({"deep_space.min_elevation_deg": "-3"}, r"^deep_space.min_elevation_deg = -3 °: .*5"),
        ({"deep_space.min_elevation_deg": "89", "deep_space.search_days": "1"}, r"^no window from mars opens between"),
        ({"deep_space.body": "null"}, r"^deep_space: give one of body and spacecraft"),
        ({"deep_space.spacecraft": "{elevation_deg: 30}"}, r"^deep_space: give one of body and spacecraft"),
        (
            {"deep_space.stations": "[{latitude_deg: 95, longitude_deg: 0}]"},
            r"^deep_space.stations.latitude_deg = 95 °: .*90",
        ),
        ({"deep_space.direction": "sideways"}, r"^deep_space.direction = 'sideways': .*uplink"),
        ({"symbol_rate_hz": "fast"}, r"^symbol_rate_hz = 'fast': must be a number from 1 to 1e[+]12, or auto"),
        (
            {"deep_space.weather": "{exceeded_percent: 1}", "deep_space.budget.rain_loss_db": "1"},
            r"^deep_space.budget.rain_loss_db: leave it out; deep_space.weather computes",
        ),
        ({"deep_space.budget.rain_loss_db": "-1"}, r"^deep_space.budget.rain_loss_db = -1 dB: .*0"),
        ({"deep_space.budget.data_rate_bps": "1e6"}, r"^deep_space.budget.data_rate_bps: leave it out"),
        (
            {"deep_space.body": "saturn", "symbol_rate_hz": "1e6"},
            r"^Es/N0 = -6.* dB: MCS 3, the most robust.* and from symbol_rate_hz: a lower one .*auto finds the highest",
        ),
        (
            {"deep_space.body": "moon", "deep_space.lander": "{latitude_deg: 0, longitude_deg: 0}"},
            r"^deep_space.lander: there is none on moon",
        ),
        ({"deep_space.distance_km": "-5"}, r"^deep_space.distance_km = -5 km: .*greater than or equal to 1"),
        ({"deep_space.distance_km": "0"}, r"^deep_space.distance_km = 0 km: .*greater than or equal to 1"),
        ({"deep_space.distance_km": ".inf"}, r"^deep_space.distance_km = inf km: .*finite"),
        (
            {"deep_space.distance_km": "1"},
            r"^deep_space: its link budget results in Es/N0 = 1.* dB.* deep_space.distance_km",
        ),
        ({"deep_space.range_km": "4"}, r"^deep_space.range_km = 4 km: unknown setting"),
        ({"snr_kind": "ebn0", "mcs": "4"}, r"^snr_kind = 'ebn0' needs snr_db"),
    ],
)
def test_impossible_deep_space_settings_are_refused_in_one_line(changes, message):
    with pytest.raises(LinkError, match=message) as caught:
        load_profile("deep-space", changes).resolve()
    assert "\n" not in str(caught.value)


def test_a_distance_is_refused_without_a_deep_space_link():
    with pytest.raises(ConfigError, match=r"^deep_space.distance_km = 5: channel 'awgn' is not a deep-space .*body"):
        load_profile("awgn", {"deep_space.distance_km": "5"})
    to_mars = {"deep_space.body": "mars", "deep_space.date": "2030-01-01", "deep_space.distance_km": "1e8", "mcs": "4"}
    assert load_profile("awgn", to_mars).resolve().contact is not None


def test_the_message_about_a_given_snr_does_not_mention_the_distance():
    with pytest.raises(ConfigError, match=r"choose an MCS yourself$"):
        load_profile("deep-space", {"snr_db": "-20"}).resolve()
