"""The pocket decoder's variants in an evaluation, with small networks of random weights."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image

from receiver.pocket.weights import save_networks
from semlink.evaluate.compare import compare_codecs
from semlink.evaluate.link import describe_recipe
from semlink.pipeline.fingerprint import hash_weights
from semlink.sweep import version
from semlink.sweep.version import DIGEST_CHARACTERS
from shared.codecs.registry import codecs
from shared.errors import SetupError
from shared.picture import encode_png
from tests.tiny_pocket import make_tiny_networks

VARIANTS = ("steps=0", "steps=1,fidelity=0", "steps=2,fidelity=0", "drop=HCI")


@pytest.fixture
def weights(tmp_path, monkeypatch):
    """A folder of random weights that the decoder finds."""
    folder = tmp_path / "pocket"
    save_networks(make_tiny_networks(3, random=True), folder)
    monkeypatch.setenv("SEMLINK_POCKET", str(folder))
    return folder


def test_decoder_options_share_the_file_and_change_the_picture(weights, synthetic_pixels, tmp_path):
    picture = tmp_path / "one.png"
    picture.write_bytes(encode_png(synthetic_pixels(128, 96)))
    out = tmp_path / "out"
    codecs = ",".join(f"hci-learned@pocket:{options}" for options in VARIANTS)
    result = compare_codecs([picture], codecs, "300,400", out, device="cpu")
    assert result.found.not_decoded == []
    rows = [json.loads(line) for line in (out / "results.jsonl").read_text().splitlines()]
    ours = [row for row in rows if row["budget"] == "300"]
    assert [row["codec"] for row in ours] == [f"hci-learned@pocket:{options}" for options in VARIANTS]
    assert len({row["file"] for row in ours}) == 1
    assert len({row["bytes"] for row in ours}) == 1
    shown = [np.asarray(Image.open(out / row["decoded"])).tobytes() for row in ours]
    assert len(set(shown)) == len(VARIANTS)


def test_codecs_differ_in_their_recipes():
    assert len({describe_recipe(name) for name in codecs()}) == len(codecs())
    assert describe_recipe("webp") == ""


def test_other_weights_have_another_hash(weights):
    before = hash_weights()
    assert hash_weights() == before
    config = weights / "config.json"
    config.write_text(config.read_text().replace("1.0", "0.3"))
    assert hash_weights() != before


def test_coders_in_a_folder_have_a_part_in_the_hash(tmp_path, monkeypatch):
    hashes = [version.hash_weights()]
    monkeypatch.setenv("SEMLINK_COMPRESSAI", str(tmp_path))
    (tmp_path / "mbt2018-mean-1.safetensors").write_bytes(b"weights")
    hashes += [version.hash_weights(), hash_weights()[:DIGEST_CHARACTERS]]
    assert hashes[0] != hashes[1] == hashes[2]


def test_missing_weights_make_only_their_codecs_unavailable(weights, synthetic_pixels, tmp_path):
    (weights / "config.json").unlink()
    picture = tmp_path / "one.png"
    picture.write_bytes(encode_png(synthetic_pixels(96, 96)))
    result = compare_codecs([picture], "hci-learned@pocket,webp", "300", tmp_path / "out")
    assert [one.codec for one in result.averages] == ["webp"]
    assert "weights" in result.found.unavailable["hci-learned@pocket"]
    with pytest.raises(SetupError, match="weights"):
        compare_codecs([picture], "hci-learned@pocket", "300", tmp_path / "alone")


def test_a_missing_device_is_named(synthetic_pixels, tmp_path):
    picture = tmp_path / "one.png"
    picture.write_bytes(encode_png(synthetic_pixels(96, 96)))
    with pytest.raises(SetupError, match="cuda:99"):
        compare_codecs([picture], "webp", "300", tmp_path / "out", device="cuda:99")
