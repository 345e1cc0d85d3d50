"""The deep-space channel: its values for a body and a date, against the functions that compute them."""

from __future__ import annotations

import math
from datetime import timedelta

import pytest

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
    seen = find_line_of_sight("mars", mars.contact.departure)
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


def test_behind_the_sun_the_signal_fades():
    resolved = load_profile("deep-space-conjunction").resolve()
    seen = resolved.contact.line_of_sight
    assert seen.behind_sun
    assert isinstance(resolved.config.propagation, Rician)
    assert resolved.config.propagation.k_factor_db == predict_scintillation(seen.sun_angle_deg, 8.42e9).k_db < 0


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
        ({"deep_space.budget.rain_loss_db": "-1"}, r"^deep_space.budget.rain_loss_db = -1 dB: .*0"),
        ({"deep_space.budget.data_rate_bps": "1e6"}, r"^deep_space.budget.data_rate_bps: leave it out"),
        (
            {"deep_space.body": "saturn"},
            r"^Es/N0 = -6.* dB: MCS 3, the most robust.* follows from deep_space: body or distance_km, and budget$",
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
