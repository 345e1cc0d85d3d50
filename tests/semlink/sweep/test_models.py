"""Rows say which models they were made with, and rows of other models are not mixed with them."""

from __future__ import annotations

import shutil

import pytest

from semlink.pipeline.coding_spec import parse_coding_spec
from semlink.pipeline.models_used import ModelsUsed, models_used
from semlink.sweep.plan import make_plan
from semlink.sweep.run import run_sweep
from semlink.sweep.settings import load_sweep
from semlink.sweep.store import read_rows
from shared.errors import InputError, SetupError
from tests.hub.captioners import build_florence
from tests.hub.tiny import REVISION, profile_values, put_into_cache, write_profile


def sweep(pictures, out, codec):
    settings = {"pictures": [str(pictures / "p0.png")], "codecs": codec, "max_bytes": "150", "snr_db": "20"}
    run_sweep(make_plan(load_sweep(None, settings | {"measures": "psnr_db", "keep_pictures": 0})), out)
    return read_rows([out])


@pytest.fixture
def profile(tiny_hub, tmp_path, monkeypatch):
    """A profile of a tiny base that is cached."""
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "cache"))
    put_into_cache(tiny_hub["stable-diffusion"], tmp_path / "cache", "tiny/base")
    return write_profile(tmp_path, profile_values("tiny", "stable-diffusion", "tiny/base"))


def test_rows_name_models_and_refuse_others(profile, small_pictures, tmp_path):
    codec, out = f"hci-av1@{profile}", tmp_path / "rows"
    (row,) = sweep(small_pictures, out, codec)
    assert row["models"] == f"tiny/base@{REVISION} pocket"
    assert len(row["models_sha256"]) == 16
    assert sweep(small_pictures, out, codec) == [row]
    profile.write_text(profile.read_text().replace('"steps": 2', '"steps": 1'))
    with pytest.raises(InputError, match=r"was swept with two sets of models, tiny/base@.* which cannot be mixed"):
        sweep(small_pictures, out, codec)
    (other,) = sweep(small_pictures, tmp_path / "other", codec)
    assert other["models_sha256"] != row["models_sha256"]
    assert other["key"] != row["key"]
    with pytest.raises(InputError, match="report one at a time"):
        read_rows([out, tmp_path / "other"])


def test_rows_name_the_captioner_and_refuse_another(small_pictures, tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "cache"))
    put_into_cache(build_florence(tmp_path / "florence"), tmp_path / "cache", "tiny/words")
    source = {"at": "tiny/words", "revision": REVISION}
    values = {"name": "words", "task": "test", "licence": "none", "family": "pocket", "dtype": "float32"}
    profile = write_profile(tmp_path, values | {"captioner": {"kind": "florence-2", "source": source}})
    codec, out = f"misc@hci:captioner={profile}", tmp_path / "rows"
    (row,) = sweep(small_pictures, out, codec)
    assert row["models"] == f"hci tiny/words@{REVISION}"
    assert "CAPTION" in row["streams_sent"]
    (plain,) = sweep(small_pictures, tmp_path / "plain", "misc@hci")
    assert (plain["models"], plain["codec"]) == ("hci", "misc@hci")
    assert plain["container_bytes"] != row["container_bytes"]  # other words
    profile.write_text(profile.read_text().replace("float32", "bfloat16"))
    with pytest.raises(InputError, match=r"was swept with two sets of models, hci tiny/words@.* which cannot be mixed"):
        sweep(small_pictures, out, codec)


def test_a_profile_without_its_files_is_refused_before_anything_is_computed(profile, small_pictures, tmp_path):
    shutil.rmtree(tmp_path / "cache")
    with pytest.raises(SetupError, match=r"run 'semlink models pull .*tiny\.yaml'"):
        sweep(small_pictures, tmp_path / "rows", f"hci-av1@{profile}")
    assert not (tmp_path / "rows").exists()


def test_other_decoders_have_the_weights_that_ship():
    assert models_used(parse_coding_spec("hci"), "w") == ModelsUsed("pocket", "w")
    assert models_used(parse_coding_spec("hci@hci"), "w") == ModelsUsed("hci", "w")
    assert models_used(parse_coding_spec("avif+ldpc"), "w") == ModelsUsed()
