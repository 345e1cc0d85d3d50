"""Captions and regions by captioners of random weights, through the calls that the sender makes."""

from __future__ import annotations

import shutil
import sys

import numpy as np
import pytest

from sender.budget import Budget, words_room
from sender.encode import encode_picture
from sender.extractors.extractors import Extractors
from sender.hub import describer
from sender.hub.extractors import HubExtractors
from sender.messages import requested_captioner
from shared import hub
from shared.caption.coder import decode_caption, encode_caption
from shared.codecs.registry import get_codec
from shared.errors import ConfigError, LimitError, PictureError, SetupError, UnknownNameError
from shared.hub import libraries, loading, memory
from shared.picture import Picture
from shared.regions.coder import encode_regions
from shared.rpc.semlink.v1 import sender_pb2
from shared.streams import StreamKind
from tests.hub.captioners import BUILDERS, WORDS

NAMES = ("dog", "red car", "house", "tall tree")


@pytest.fixture(scope="module")
def loaded(captioning):
    """A function of (kind, maps) that returns the extractors, loaded once."""
    known = {}

    def load(kind, *, maps=False):
        if (kind, maps) not in known:
            known[kind, maps] = HubExtractors(captioning(kind, maps=maps), NAMES, "cpu")
        return known[kind, maps]

    return load


@pytest.fixture(scope="module")
def pictures(synthetic_pixels):
    noise = np.random.default_rng(3).integers(0, 256, (80, 96, 3), np.uint8)
    return [synthetic_pixels(96, 80), 255 - synthetic_pixels(80, 96, seed=4), noise]


@pytest.mark.parametrize("kind", BUILDERS)
def test_captions_follow_the_picture_and_repeat(kind, loaded, pictures):
    captions = [loaded(kind).caption(one, 200) for one in pictures]
    assert all(captions)
    assert len(set(captions)) > 1
    assert loaded(kind).caption(pictures[0], 200) == captions[0]


@pytest.mark.parametrize("kind", BUILDERS)
@pytest.mark.parametrize("max_bytes", [0, 3, 40])
def test_a_caption_keeps_its_bytes(kind, max_bytes, loaded, pictures):
    assert len(encode_caption(loaded(kind).caption(pictures[2], max_bytes))) <= max_bytes


@pytest.mark.parametrize("kind", BUILDERS)
def test_regions_keep_their_bytes(kind, loaded, pictures):
    assert loaded(kind, maps=True).finds_regions
    assert len(encode_regions(loaded(kind, maps=True).find_regions(pictures[0], 40))) <= 40


def test_maps_name_and_place_objects_for_blip(loaded, pictures):
    found = [loaded("blip", maps=True).find_regions(one, 1000) for one in pictures]
    assert all(region.name in NAMES and region.mask.any() for regions in found for region in regions)
    assert len({tuple(region.mask.tobytes() for region in regions) for regions in found}) > 1


def test_without_maps_only_florence_finds_regions(loaded):
    assert [loaded(kind).finds_regions for kind in BUILDERS] == [False, True, False]


def test_grey_pictures_and_wrong_arrays(loaded, synthetic_pixels):
    assert loaded("blip").caption(synthetic_pixels(64, 64, grey=True), 100)
    with pytest.raises(PictureError, match="uint8"):
        loaded("blip").caption(np.zeros((64, 64, 3), np.float32), 100)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda folder: (folder / "model.safetensors").unlink(), "model.safetensors is missing"),
        (lambda folder: (folder / "model.safetensors").write_bytes(b"\xff" * 64), "is damaged"),
        (lambda folder: (folder / "tokenizer_config.json").unlink(), "tokenizer_config.json is missing"),
        (lambda folder: (folder / "preprocessor_config.json").write_text("{"), "not JSON"),
        (lambda folder: (folder / "tokenizer.json").write_text("{}"), "cannot be loaded"),
        (lambda folder: change(folder / "config.json", "BlipForConditionalGeneration", "BlipModel"), "BlipModel"),
        (lambda folder: change(folder / "model.safetensors", b"vision_model", b"vision_modem"), "lacks"),
    ],
)
def test_a_damaged_captioner_is_one_line(damage, message, captioning, captioner_folders, tmp_path):
    folder = shutil.copytree(captioner_folders["blip"], tmp_path / "blip")
    damage(folder)
    profile = captioning("blip", captioner={"kind": "blip", "source": {"at": str(folder)}})
    with pytest.raises(SetupError, match=message) as caught:
        HubExtractors(profile, NAMES, "cpu")
    assert "\n" not in str(caught.value)
    assert str(folder) in str(caught.value)


def change(path, before, after):
    data = path.read_bytes()
    before, after = (one.encode() if isinstance(one, str) else one for one in (before, after))
    path.write_bytes(data.replace(before, after))


def test_what_is_not_cached_or_too_large_is_refused(captioning, monkeypatch, tmp_path):
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    source = {"at": "owner/blip", "revision": "0" * 40}
    with pytest.raises(SetupError, match=r"not cached; unset HF_HUB_OFFLINE and run 'semlink models pull tiny'"):
        HubExtractors(captioning("blip", captioner={"kind": "blip", "source": source}), NAMES, "cpu")
    monkeypatch.setattr(memory, "free_bytes", lambda _: 1000)
    with pytest.raises(LimitError, match="memory"):
        HubExtractors(captioning("blip"), NAMES, "cpu")


@pytest.mark.parametrize("offload", ["model", "sequential"])
@pytest.mark.parametrize("kind", BUILDERS)
def test_an_offloaded_captioner_is_moved_as_a_whole(kind, offload, captioning, loaded, pictures, monkeypatch):
    """The CPU has nothing to offload from; here its networks are moved all the same."""
    plain = loaded(kind, maps=True)
    monkeypatch.setattr(describer, "offload_on", lambda profile, device: profile.memory.offload)
    moved = HubExtractors(captioning(kind, maps=True, memory={"offload": offload}), NAMES, "cpu")
    places = []
    for model in (moved._describer._model, moved._maps()._model):
        monkeypatch.setattr(model.network, "to", places.append)
    assert moved.caption(pictures[0], 200) == plain.caption(pictures[0], 200)
    assert [str(one) for one in places] == ["cpu", "cpu"]  # to its device and back
    found = [one.find_regions(pictures[0], 500) for one in (moved, plain)]
    assert [region.name for region in found[0]] == [region.name for region in found[1]]
    assert len(places) > 4
    assert len(places) % 2 == 0


def test_a_captioner_loads_on_a_machine_without_diffusers(captioning, monkeypatch):
    monkeypatch.setattr(hub, "libraries", libraries)  # put back afterwards, as the module is
    monkeypatch.setattr(hub, "loading", loading)
    monkeypatch.delitem(sys.modules, "shared.hub.libraries")
    monkeypatch.delitem(sys.modules, "shared.hub.loading")
    monkeypatch.setitem(sys.modules, "diffusers", None)
    assert HubExtractors(captioning("blip"), NAMES, "cpu").caption(np.full((64, 64, 3), 90, np.uint8), 100)


def test_a_profile_without_a_captioner_is_refused(captioning):
    with pytest.raises(SetupError, match="has no captioner"):
        HubExtractors(captioning("blip", captioner=None), NAMES, "cpu")


def test_the_sender_encodes_with_the_captioner_of_a_profile(captioning, tmp_path, monkeypatch, synthetic_pixels):
    (tmp_path / "tiny.yaml").write_text(captioning("blip", maps=True).model_dump_json(exclude_none=True))
    monkeypatch.setenv("SEMLINK_PROFILES", str(tmp_path))
    shared = Extractors(device="cpu")
    misc = get_codec("misc")
    extractors, picture = shared.of_profile("tiny", misc), Picture(synthetic_pixels(128, 96))
    assert extractors is shared.of_profile(str(tmp_path / "tiny.yaml"), misc)
    assert shared.of_profile("pocket", get_codec("hci")) is shared.of_profile("", misc) is shared
    with pytest.raises(UnknownNameError, match="unknown model profile 'nothing'"):
        shared.of_profile("nothing", misc)
    with pytest.raises(ConfigError, match=r"codec 'hci' sends no words: leave the captioner tiny out, or .* \(misc\)"):
        shared.of_profile("tiny", get_codec("hci"))
    (tmp_path / "mute.yaml").write_text(
        captioning("blip", name="mute", captioner=None).model_dump_json(exclude_none=True)
    )
    with pytest.raises(ConfigError, match="model profile mute has no captioner: add one, or choose another profile"):
        shared.of_profile("mute", misc)
    for max_bytes in (150, 600):
        bitstream = encode_picture(picture, misc, extractors, max_bytes)
        assert len(bitstream.pack()) <= max_bytes
        (caption,) = (one.payload for one in bitstream.streams if one.kind is StreamKind.CAPTION)
        assert set(decode_caption(caption).lower().strip(".").split()) <= set(WORDS)
        assert len(caption) <= words_room(Budget(picture.header, max_bytes))


def test_a_service_takes_no_file_of_its_caller():
    with pytest.raises(ConfigError, match="reads no files"):
        requested_captioner(sender_pb2.SendSettings(captioner="mine.yaml"))
