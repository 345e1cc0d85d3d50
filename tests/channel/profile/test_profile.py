"""Channel profiles: those that ship, documents of a user's, and those of an installed package."""

from __future__ import annotations

import tomllib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from channel.config import ChannelConfig
from channel.link.link import Link
from channel.link.outcome import PacketOutcome
from channel.phy.mcs_selection import fastest_mcs
from channel.profile.profile import Profile
from channel.profile.registry import channel_names, load_profile, parse_profile
from shared.errors import ConfigError, LinkError, SetupError, UnknownNameError
from shared.streams import StreamKind
from shared.yaml_text import yaml_text

EXAMPLE = Path(__file__).parents[3] / "docs" / "examples" / "semlink-nakagami"


@pytest.mark.parametrize("name", channel_names())
def test_every_channel_that_ships_has_a_summary_and_a_configuration(name):
    profile = load_profile(name)
    assert profile.summary
    assert isinstance(profile.config(run_seed=1), ChannelConfig)


@pytest.mark.parametrize("name", ["rayleigh", "rician", "tdl-a", "tdl-e"])
def test_packets_are_delivered_at_high_snr(name, chains, space_packet):
    link = Link(load_profile(name, {"snr_db": "60"}).config(), chains)
    packets = [space_packet(32, seed) for seed in range(3)]
    assert [arrival.packet for arrival in link.transmit(packets, picture_index=0)] == packets


def test_the_parameters_of_a_profile_rebuild_it():
    changes = {"propagation.speed_m_s": "30", "mcs": "auto", "snr_db": "7.5"}
    profile = load_profile("tdl-c", changes)
    named = {name: yaml_text(value) for name, value in profile.parameters()}
    assert {name: named[name] for name in changes} == {"propagation.speed_m_s": "30.0", "mcs": "auto", "snr_db": "7.5"}
    assert parse_profile("", "x", named).config() == profile.config()


@pytest.mark.parametrize("snr_db", [0.0, 7.0, 25.0])
def test_mcs_auto_is_the_fastest_that_the_snr_allows(snr_db):
    profile = load_profile("awgn", {"snr_db": str(snr_db), "mcs": "auto", "mcs_margin_db": "1"})
    assert profile.config().mcs == fastest_mcs(snr_db, margin_db=1).index


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"snr_db": ".nan"}, r"^snr_db = nan dB: .*finite"),
        ({"snr_db": "loud"}, r"^snr_db = 'loud': .*number"),
        ({"snr_db": "200"}, r"^snr_db = 200 dB: .*100"),
        ({"mcs": "99"}, r"^mcs = 99: .*3 \(most robust\) to 28 \(fastest\), or auto"),
        ({"mcs_target_bler": "0.05"}, r"^mcs_target_bler = 0.05 block error rate: thresholds are .* 0.1 and 0.001"),
        ({"symbol_rate_hz": "auto"}, r"^symbol_rate_hz = 'auto' needs deep_space settings"),
        ({"mcs": "true"}, r"^mcs = True: .*or auto"),
        ({"mcs": "auto", "snr_db": "-9"}, r"^Es/N0 = -9 dB: MCS 3, the most robust"),
        ({"mcs": "auto", "snr_kind": "ebn0"}, r"^mcs = 'auto' needs snr_kind esn0"),
        ({"propagation_delay_s": "-1"}, r"^propagation_delay_s = -1 s: .*0"),
        ({"erasure_rate": "1.5"}, r"^erasure_rate = 1.5 probability: .*1"),
        ({"symbol_rate_hz": "0"}, r"^symbol_rate_hz = 0 Hz: .*1"),
        ({"fading": "deep"}, r"^fading = 'deep': unknown setting; known are"),
        ({"propagation.kind": "telepathy"}, r"^propagation.kind = 'telepathy': must be one of awgn, rayleigh"),
        ({"propagation": "7"}, r"^propagation = 7: give a mapping"),
        ({"repair_overhead": "-0.5"}, r"^repair_overhead = -0.5 repair packets per packet: .*0"),
        ({"protection.HCO.mcs": "4"}, r"^protection.HCO = 'HCO': .*HCI"),
        ({"protection.HCI.mcs": "1"}, r"^protection.HCI.mcs = 1: .*3 \(most robust\)"),
        ({"protection.HCI.mcs": "4", "snr_kind": "ebn0"}, r"^an mcs under protection needs snr_kind esn0"),
        ({"snr_db.x": "1"}, r"^snr_db.x: snr_db is a value"),
        ({"snr_db": "[1"}, r"^snr_db, line 1"),
        (
            {"propagation.kind": "rician", "propagation.k_factor_db": "1e9"},
            r"^propagation.k_factor_db = 1000000000.0 dB: .*100",
        ),
    ],
)
def test_a_setting_outside_its_rule_is_refused_with_field_value_unit_and_rule(changes, message):
    with pytest.raises(LinkError, match=message) as caught:
        load_profile("awgn", changes).config()
    assert "\n" not in str(caught.value)


def test_protection_sets_mcs_and_repair_by_kind_of_stream():
    changes = {
        "repair_overhead": "0.25",
        "protection": "{HCI: {mcs: 3, repair_overhead: 1}, TOKENS: {repair_overhead: 0}}",
    }
    profile = load_profile("awgn", changes)
    quarter = dict.fromkeys(set(StreamKind) - {StreamKind.HCI, StreamKind.TOKENS}, 0.25)
    assert profile.repair_overheads() == {StreamKind.HCI: 1.0, **quarter}
    config = profile.config()
    assert (config.mcs, config.stream_mcs) == (4, {StreamKind.HCI: 3})


def test_unknown_channels_and_incomplete_documents_are_refused_by_name():
    with pytest.raises(UnknownNameError, match=r"unknown channel 'telepathy'; known are awgn, .*tdl-e.*\.yaml"):
        load_profile("telepathy")
    with pytest.raises(ConfigError, match="snr_db is missing"):
        parse_profile("mcs: 4", "mine.yaml")
    with pytest.raises(ConfigError, match=r"mine\.yaml is not a mapping"):
        parse_profile("- awgn", "mine.yaml")


@settings(deadline=None, max_examples=40)
@given(
    st.dictionaries(
        st.sampled_from(["snr_db", "mcs", "propagation", "propagation.kind", "erasure_rate", "x.y", "", "."]),
        st.sampled_from(["1", "auto", "null", "{kind: tdl}", "[[]]", ".inf", "-3", "''", "true", "rayleigh"]),
    )
)
def test_any_changes_make_a_profile_or_a_one_line_error(changes):
    try:
        outcome = load_profile("awgn", changes)
    except LinkError as error:
        outcome = str(error)
    assert isinstance(outcome, Profile) or "\n" not in outcome


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """Return a function that installs a module with entry points, as pip would leave it."""

    def install(source: str, groups: dict[str, dict[str, str]]) -> None:
        (tmp_path / "semlink_nakagami.py").write_text(source)
        info = tmp_path / "semlink_nakagami-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: semlink-nakagami\nVersion: 1.0\n")
        lines = [f"[{group}]\n" + "".join(f"{k} = {v}\n" for k, v in names.items()) for group, names in groups.items()]
        (info / "entry_points.txt").write_text("\n".join(lines))
        monkeypatch.syspath_prepend(tmp_path)
        monkeypatch.delitem(__import__("sys").modules, "semlink_nakagami", raising=False)

    return install


@pytest.fixture
def nakagami(installed):
    """The worked example of the docs, installed."""
    groups = tomllib.loads((EXAMPLE / "pyproject.toml").read_text())["project"]["entry-points"]
    installed((EXAMPLE / "semlink_nakagami.py").read_text(), groups)


@pytest.mark.usefixtures("nakagami")
def test_the_example_adds_a_channel_and_a_kind_of_propagation(chains, space_packet):
    assert channel_names()[-1] == "city"
    profile = load_profile("city", {"propagation.m": "1.0", "snr_db": "2"})
    assert ("propagation.m", 1.0) in profile.parameters()
    packets = [space_packet(16, seed) for seed in range(200)]
    faded = Link(profile.config(run_seed=3), chains).transmit(packets, picture_index=0)
    alone = Link(profile.config(run_seed=3, batch_size=1), chains).transmit(packets, picture_index=0)
    assert faded == alone
    lost = np.mean([arrival.outcome is PacketOutcome.FEC_FAILED for arrival in faded])
    # m = 1 is Rayleigh fading: the outage of a capacity-achieving code bounds the loss from below.
    assert 1 - np.exp(-(2**0.6016 - 1) / 10**0.2) < lost < 0.6
    with pytest.raises(ConfigError, match=r"propagation\.m = 0.1: .*0\.5"):
        load_profile("city", {"propagation.m": "0.1"})


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("import no_such_module", "cannot be imported: ModuleNotFoundError"),
        ("def city(): raise KeyError('gone')", "fails: KeyError: 'gone'"),
        ("def city(): return 7", "must be a function without arguments that returns YAML text"),
        ("city = 'snr_db: 1'", "must be a function"),
        ("def city(): return 'snr_db: 1\\npropagation: {kind: mine}'\nmine = 3", "PropagationKind: update the package"),
        ("def city(): return '- 1'", "channel 'city' is not a mapping"),
    ],
)
def test_a_broken_plugin_package_is_named_in_one_line(source, words, installed):
    groups = {
        "semlink.channels": {"city": "semlink_nakagami:city"},
        "semlink.propagations": {"mine": "semlink_nakagami:mine"},
    }
    installed(source, groups)
    with pytest.raises((SetupError, ConfigError), match=words) as caught:
        load_profile("city")
    assert "\n" not in str(caught.value)
    assert isinstance(caught.value, ConfigError) or "package semlink-nakagami" in str(caught.value)
    assert load_profile("awgn").snr_db == 5


def test_a_profile_is_composed_of_channels_and_its_own_settings():
    own = "snr_db: 9\npropagation: {speed_m_s: 20}\nimpairments: {jitter: {mean_s: 1e-3}}"
    text = f"extends: [tdl-a, gilbert-elliott]\n{own}"
    profile, tdl_a = parse_profile(text, "mine"), load_profile("tdl-a")
    assert profile.snr_db == 9
    assert profile.symbol_rate_hz == tdl_a.symbol_rate_hz
    assert profile.propagation == tdl_a.propagation.model_copy(update={"speed_m_s": 20.0})
    assert profile.impairments.bursts == load_profile("gilbert-elliott").impairments.bursts
    assert profile.impairments.jitter.mean_s == 1e-3
    replaced = parse_profile("extends: tdl-a\npropagation: {kind: rayleigh}", "mine")
    assert replaced.propagation.kind == "rayleigh"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("extends: 7", r"^extends = 7: give the name of a channel"),
        ("extends: [awgn, 7]", r"^extends = .*: give the name of a channel"),
        ("extends: nowhere", r"^unknown channel 'nowhere'"),
    ],
)
def test_a_wrong_composition_is_refused(text, message):
    with pytest.raises(LinkError, match=message):
        parse_profile(text, "mine")


def test_a_channel_that_extends_itself_is_refused(monkeypatch):
    monkeypatch.setattr("channel.profile.registry._read_profile_text", lambda name: f"extends: {name}")
    with pytest.raises(ConfigError, match=r"^extends = 'a': channel 'a' extends itself by way of a"):
        load_profile("a")
