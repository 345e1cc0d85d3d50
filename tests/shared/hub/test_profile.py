"""Model profiles: those that ship, what their settings must be, and where further ones are found."""

from __future__ import annotations

import contextlib
import json
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.errors import ConfigError, SetupError, UnknownNameError
from shared.hub import registry
from shared.hub.profile import HUB_ID, ModelProfile, Source
from shared.hub.registry import load_profile, profile_names
from shared.validation import validate
from shared.yaml_text import yaml_mapping
from tests.hub.tiny import REVISION, profile_values, write_profile


def test_the_shipped_profiles_load_and_pin_their_models():
    assert profile_names()[0] == "pocket"
    assert set(profile_names()) == {"pocket", "sd-turbo", "sd21", "sdxl-turbo", "flux-schnell"}
    for name in profile_names():
        profile = load_profile(name)
        assert profile.name == name
        sources = [profile.base, *(one.source for one in (profile.controlnet, profile.captioner) if one)]
        assert all(one is None or (HUB_ID.fullmatch(one.at) and len(one.revision) == 40) for one in sources)
        assert name == "pocket" or (profile.base and profile.captioner and profile.download_gb > 1)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"base": {"at": "owner/name", "revision": "main"}}, "revision = 'main': pin owner/name to a commit"),
        ({"base": {"at": "owner/name"}}, "revision = None: pin owner/name to a commit, 40 digits"),
        ({"base": {"at": "a b"}}, "at = 'a b': write a hub id as OWNER/NAME, or a folder that starts with"),
        ({"base": {"at": "./x", "revision": REVISION}}, "the folder ./x has none; leave it out"),
        ({"base": None}, "family = stable-diffusion needs a base"),
        ({"scheduler": "FlowMatchEulerDiscreteScheduler"}, "does not fit family stable-diffusion"),
        ({"steps": 5}, "steps = 5 is more than max_steps = 4"),
        ({"one_step": {"time_at_bpp": [[0.01, 0.5]]}}, "max_steps = 4: one_step takes 1"),
        ({"controlnet": {"source": {"at": "./c"}, "input": "latent"}}, "controlnet.input = latent is for family flux"),
        ({"controlnet": {"source": {"at": "./c"}, "input": "tokens"}}, "needs adapters"),
        (
            {"family": "flux", "scheduler": "FlowMatchEulerDiscreteScheduler", "adapters": {"at": "./a"}}
            | {"controlnet": {"source": {"at": "./c"}, "input": "tokens"}},
            "controlnet.input = tokens is not for family flux: use latent or hci",
        ),
        ({"memory": {"tile_px": 100}}, "memory.tile_px = 100"),
        ({"remote_code": True}, "remote_code = True: unknown setting"),
        ({"name": "../x"}, "name = '../x'"),
        ({"name": "hci"}, "a decoder that is no model profile is called hci: take another name"),
    ],
)
def test_a_wrong_setting_is_named_with_its_rule(change, message, tmp_path):
    path = tmp_path / "tiny.yaml"
    path.write_text(json.dumps(profile_values("tiny", "stable-diffusion", tmp_path) | change))
    with pytest.raises(ConfigError) as raised:
        load_profile(str(path))
    assert message in str(raised.value)
    assert str(path) in str(raised.value)


def test_a_relative_folder_is_that_of_the_profiles_file(tmp_path):
    values = profile_values("tiny", "stable-diffusion", "x") | {"base": {"at": "./models/base"}}
    assert load_profile(str(write_profile(tmp_path, values))).base.at == str(tmp_path / "models" / "base")


def test_a_folder_of_profiles_adds_names(tmp_path, monkeypatch):
    write_profile(tmp_path, profile_values("tiny", "flux", "owner/name"))
    monkeypatch.setenv("SEMLINK_PROFILES", str(tmp_path))
    assert profile_names()[-1] == "tiny"
    assert load_profile("tiny").base.label == f"owner/name@{REVISION[:12]}"
    (tmp_path / "tiny.yaml").rename(tmp_path / "other.yaml")
    with pytest.raises(ConfigError, match=r"name = 'tiny' is not the file's; rename one of them"):
        load_profile("other")
    monkeypatch.setenv("SEMLINK_PROFILES", str(tmp_path / "gone"))
    with pytest.raises(SetupError, match="cannot be read"):
        profile_names()


def test_an_installed_package_adds_a_profile(monkeypatch):
    added = validate(ModelProfile, profile_values("added", "stable-diffusion", "owner/name"))
    points = [
        SimpleNamespace(name="added", value="package:added", load=lambda: added),
        SimpleNamespace(name="broken", value="package:broken", load=lambda: 1 / 0),
        SimpleNamespace(name="wrong", value="package:wrong", load=lambda: 7),
    ]
    monkeypatch.setattr(registry, "entry_points", lambda group: points if group == "semlink.model_profiles" else [])
    assert load_profile("added") == added
    for name, message in (("broken", "cannot be loaded: division by zero"), ("wrong", "is a int, not a ModelProfile")):
        with pytest.raises(SetupError, match=message):
            load_profile(name)


def test_an_unknown_profile_lists_the_known():
    with pytest.raises(UnknownNameError, match=r"unknown model profile 'sd3'; known are pocket, .*ends in \.yaml"):
        load_profile("sd3")


@settings(max_examples=30)
@given(st.text(max_size=80))
def test_any_text_is_a_profile_or_an_error_of_ours(text):
    with contextlib.suppress(ConfigError):
        validate(ModelProfile, yaml_mapping(text, "text"))


@settings(max_examples=50)
@given(st.text(max_size=60), st.one_of(st.none(), st.text(max_size=45)))
def test_a_source_is_a_pinned_hub_id_or_a_folder(at, revision):
    try:
        source = validate(Source, {"at": at, "revision": revision})
    except ConfigError:
        return
    assert source.is_local != bool(HUB_ID.fullmatch(source.at) and source.revision)
