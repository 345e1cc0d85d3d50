"""A decoder of a model profile that cannot be loaded: one line, status 2, nothing written."""

from __future__ import annotations

import json
import shutil

import pytest

from semlink.pipeline.session import LocalSession
from shared.hub import memory
from shared.rpc.semlink.v1 import sender_pb2
from tests.hub.tiny import profile_values, put_into_cache, write_profile


@pytest.fixture(scope="module")
def container(picture_png):
    """A container that holds an HCI."""
    return LocalSession().encode(picture_png, sender_pb2.SendSettings(codec="hci-av1", max_bytes=400)).container


@pytest.fixture
def received(container, tmp_path, monkeypatch):
    """The container as a file, beside an empty cache of the hub that may not be filled."""
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    path = tmp_path / "photo.sem"
    path.write_bytes(container)
    return path


def not_cached(base, folder):
    return profile_values("tiny", "stable-diffusion", "tiny/base")


def wrong_revision(base, folder):
    put_into_cache(base, folder / "cache", "tiny/base", "f" * 40)
    return profile_values("tiny", "stable-diffusion", "tiny/base")


def missing_file(base, folder):
    (base / "vae" / "config.json").unlink()
    return profile_values("tiny", "stable-diffusion", base)


def wrong_class(base, folder):
    (base / "unet" / "config.json").write_text(json.dumps({"_class_name": "FluxTransformer2DModel"}))
    return profile_values("tiny", "stable-diffusion", base)


def corrupt(base, folder):
    (base / "unet" / "diffusion_pytorch_model.safetensors").write_bytes(b"x" * 100)
    return profile_values("tiny", "stable-diffusion", base)


def no_room(base, folder):
    return profile_values("tiny", "stable-diffusion", base)


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        (not_cached, "is not cached; unset HF_HUB_OFFLINE and run 'semlink models pull /"),
        (wrong_revision, "the cache has revision ffffffffffff of it; unset HF_HUB_OFFLINE and run"),
        (missing_file, "vae/config.json is missing; put the model into"),
        (wrong_class, "is of class FluxTransformer2DModel; this profile needs UNet2DConditionModel; put another"),
        (corrupt, "is damaged, it is no safetensors file; put the model into"),
        (no_room, "GB free: free some, or use --decoder pocket"),
    ],
)
def test_what_cannot_be_loaded_is_one_line(fault, message, received, semlink, tiny_hub, tmp_path, monkeypatch):
    base = shutil.copytree(tiny_hub["stable-diffusion"], tmp_path / "base")
    profile = write_profile(tmp_path, fault(base, tmp_path))
    if fault is no_room:
        monkeypatch.setattr(memory, "free_bytes", lambda _: 1000)
    before = sorted(tmp_path.rglob("*"))
    status, out, err = semlink("decode", received, tmp_path / "out.png", "--decoder", profile, "--device", "cpu")
    assert (status, out) == (2, "")
    assert message in err
    assert err.count("\n") == 1
    assert sorted(tmp_path.rglob("*")) == before


def test_a_missing_model_is_said_before_anything_is_encoded(semlink, photo, tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(LocalSession, "_encode", None)
    status, out, err = semlink("send", photo, "--decoder", "sd-turbo", "--out", tmp_path / "out.png")
    assert (status, out) == (2, "")
    assert "base stabilityai/sd-turbo@b261bac6fd2c is not cached; run 'semlink models pull sd-turbo'" in err
    assert not (tmp_path / "out.png").exists()


def test_a_profile_decodes_at_the_command(received, semlink, semlink_json, tiny_hub, tmp_path):
    profile = write_profile(tmp_path, profile_values("tiny", "stable-diffusion", tiny_hub["stable-diffusion"]))
    out = tmp_path / "out.png"
    report = semlink_json("decode", received, out, "--decoder", profile, "--steps", 4, "--device", "cpu")
    assert (report["decoder"], report["steps"]) == ("tiny", 4)
    assert out.stat().st_size > 100
    status, _, err = semlink("decode", received, out, "--decoder", profile, "--steps", 5)
    assert (status, err) == (2, "error: steps = 5: give 0 (the restorer alone) to 4\n")
