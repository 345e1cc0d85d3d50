"""The pocket decoder's variants in an evaluation, with small networks of random weights."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from PIL import Image

from receiver.pocket.networks import PocketNetworks, new_autoencoder, new_controlnet, new_unet
from receiver.pocket.rrdbnet import RRDBNet
from receiver.pocket.sketch import Sketch
from receiver.pocket.synthesis import Synthesis
from receiver.pocket.weights import save_networks
from receiver.pocket.words import Words
from semlink.cli.evaluate import evaluate
from semlink.evaluate.autoencoder import AutoencoderCeiling
from semlink.evaluate.link import describe_recipe
from semlink.pipeline.fingerprint import hash_weights
from shared.codecs.registry import codecs
from shared.errors import DataError, SetupError
from shared.picture import encode_png

VARIANTS = ("steps=0", "steps=1,fidelity=0", "steps=2,fidelity=0", "drop=HCI")


@pytest.fixture
def weights(tmp_path, monkeypatch):
    """A folder of random weights that the decoder finds."""
    folder = tmp_path / "pocket"
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        unet = new_unet((32, 32, 32))
        networks = PocketNetworks(
            RRDBNet(width=16, growth=8, depth=1),
            new_autoencoder(),
            unet,
            new_controlnet(unet),
            Words(),
            Sketch(),
            Synthesis(),
            sigma=0.2,
        )
    save_networks(networks, folder)
    monkeypatch.setenv("SEMLINK_POCKET", str(folder))
    return folder


def test_variants_share_their_bytes_and_differ_in_what_they_show(weights, synthetic_pixels, tmp_path, capsys):
    picture = tmp_path / "one.png"
    picture.write_bytes(encode_png(synthetic_pixels(128, 96)))
    out = tmp_path / "out"
    codecs = ",".join([*(f"hci-learned@pocket:{options}" for options in VARIANTS), "autoencoder"])
    evaluate([picture], codecs, "300,400", out, device="cpu", as_json=True)
    document = json.loads(capsys.readouterr().out)
    assert document["failed"] == []
    rows = [json.loads(line) for line in (out / "results.jsonl").read_text().splitlines()]
    ours = [row for row in rows if row["budget"] == "300"]
    assert [row["codec"] for row in ours] == [f"hci-learned@pocket:{options}" for options in VARIANTS]
    assert len({row["file"] for row in ours}) == 1
    assert len({row["bytes"] for row in ours}) == 1
    shown = [np.asarray(Image.open(out / row["decoded"])).tobytes() for row in ours]
    assert len(set(shown)) == len(VARIANTS)
    ceiling = [row for row in rows if row["codec"] == "autoencoder"]
    assert [(row["budget"], row["bytes"]) for row in ceiling] == [("none", 2 * 16 * 16 * 12)]


def test_a_codec_of_another_recipe_is_another_codec():
    assert len({describe_recipe(name) for name in codecs()}) == len(codecs())
    assert describe_recipe("autoencoder") == ""


def test_other_weights_make_other_rows(weights):
    before = hash_weights()
    assert hash_weights() == before
    config = weights / "config.json"
    config.write_text(config.read_text().replace("0.2", "0.3"))
    assert hash_weights() != before


def test_the_ceiling_takes_any_size_and_refuses_other_bytes(weights, synthetic_pixels):
    codec = AutoencoderCeiling()
    data = codec.encode(synthetic_pixels(77, 65), 1)
    assert codec.decode(data, 77, 65).shape == (65, 77, 3)
    with pytest.raises(DataError, match="bytes"):
        codec.decode(data[:-1], 77, 65)


def test_missing_weights_leave_the_other_codecs(weights, synthetic_pixels, tmp_path, capsys):
    (weights / "config.json").unlink()
    picture = tmp_path / "one.png"
    picture.write_bytes(encode_png(synthetic_pixels(96, 96)))
    evaluate([picture], "hci-learned@pocket,autoencoder,webp", "300", tmp_path / "out", as_json=True)
    document = json.loads(capsys.readouterr().out)
    assert [cell["codec"] for cell in document["cells"]] == ["webp"]
    assert "weights" in document["unavailable"]["autoencoder"]
    assert "weights" in document["unavailable"]["hci-learned@pocket"]
    with pytest.raises(SetupError, match="weights"):
        evaluate([picture], "hci-learned@pocket", "300", tmp_path / "alone", as_json=True)


def test_a_device_that_is_not_there_is_named(synthetic_pixels, tmp_path):
    picture = tmp_path / "one.png"
    picture.write_bytes(encode_png(synthetic_pixels(96, 96)))
    with pytest.raises(SetupError, match="cuda:99"):
        evaluate([picture], "webp", "300", tmp_path / "out", device="cuda:99", as_json=True)
