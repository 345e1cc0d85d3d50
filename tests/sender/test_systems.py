"""The recipes of the four published systems with the shipped weights: streams sent, and pictures decoded."""

import functools

import numpy as np
import pytest
from skimage import data

from receiver.decoders.base import DecodeOptions
from receiver.guidance import guidance_in
from receiver.pocket.decoder import PocketDecoder
from sender.encode import encode_picture
from shared.bitstream import Bitstream
from shared.codecs.registry import get_codec
from shared.hci.stream import downsample
from shared.picture import encode_png, load_picture
from shared.streams import StreamKind
from shared.tokens.stream import TokenKind

HCI, CAPTION, TOKENS, LATENT, REGIONS, _ = StreamKind
STREAMS = {
    "mtgc": {HCI, CAPTION, TOKENS},
    "sdgic": {HCI, CAPTION, TOKENS},
    "gsc": {CAPTION, LATENT},
    "misc": {HCI, CAPTION, REGIONS},
}
TOKEN_KINDS = {"mtgc": TokenKind.SPW, "sdgic": TokenKind.RSRT}


@pytest.fixture(scope="module")
def decoder():
    return PocketDecoder("cpu")


@pytest.fixture(scope="module")
def cat():
    return load_picture(encode_png(data.chelsea()[20:212, 100:292]))


@pytest.fixture(scope="module")
def cup():
    return load_picture(encode_png(data.coffee()[100:292, 150:342]))


@pytest.fixture(scope="module")
def sent(cat, extractors):
    """A function of (codec's name, max_bytes) that returns the cat's bitstream, which is encoded once."""
    return functools.cache(lambda name, max_bytes: encode_picture(cat, get_codec(name), extractors, max_bytes))


@pytest.mark.parametrize("max_bytes", [100, 300])
@pytest.mark.parametrize("name", STREAMS)
def test_a_system_sends_its_streams_within_the_budget(name, max_bytes, cat, extractors, sent):
    packed = sent(name, max_bytes).pack()
    assert len(packed) <= max_bytes
    bitstream = Bitstream.unpack(packed)
    assert {stream.kind for stream in bitstream.streams} == STREAMS[name]
    guidance = guidance_in(bitstream)
    assert guidance.damaged == ()
    assert guidance.caption == extractors.caption(cat.pixels)
    if name in TOKEN_KINDS:
        assert guidance.tokens.kind is TOKEN_KINDS[name]
        assert len(guidance.tokens.codes) == get_codec(name).tokens
    if name == "misc":
        assert "cat" in guidance.regions[0].name


@pytest.mark.parametrize(("name", "likeness"), [("mtgc", 0.9), ("sdgic", 0.9), ("gsc", 0.6), ("misc", 0.9)])
def test_the_receiver_decodes_the_picture_of_a_system(name, likeness, cat, sent, decoder):
    """``likeness`` is the least correlation of both pictures at 1/8, without data consistency with the HCI."""
    guidance = guidance_in(sent(name, 300))
    made = decoder.reconstruct(guidance, DecodeOptions(steps=1, fidelity=0.0)).pixels
    assert made.shape == cat.pixels.shape
    seen, wanted = (np.asarray(downsample(one, 8), float).ravel() for one in (made, cat.pixels))
    assert np.corrcoef(seen, wanted)[0, 1] > likeness


def test_pseudo_words_differ_between_pictures_and_depend_on_the_picture_alone(cat, cup, extractors):
    first, second = (extractors.tokens(TokenKind.SPW, 16, one.pixels, None, "") for one in (cat, cup))
    differ = sum(one != other for one, other in zip(first.codes, second.codes, strict=True))
    assert differ >= 8
    assert extractors.tokens(TokenKind.SPW, 16, cat.pixels, cup.pixels, "A cup of coffee.") == first


def test_the_sender_sends_as_many_latent_channels_as_fit(sent):
    counts = [len(guidance_in(sent("gsc", max_bytes)).latent.ids) for max_bytes in (60, 100, 300)]
    assert counts == sorted(counts)
    assert counts[0] < counts[-1] == get_codec("gsc").latent_channels
