"""Residual tokens by the restorer that ships: found, sent, lost in part, and read by the refiner."""

from __future__ import annotations

import numpy as np
import pytest
from skimage import data

import semlink
from semlink.encoder_search.residual import PocketResidualCodes
from shared.bitstream import Bitstream
from shared.hci.stream import encode_hci
from shared.residual.stream import grid_size
from shared.streams import Stream, StreamKind

PIXELS = data.astronaut()[40:200, 150:310]  # face, hair and a flag


@pytest.fixture(scope="module")
def find_codes():
    return PocketResidualCodes()


@pytest.fixture(scope="module")
def encoded():
    return semlink.encode(PIXELS, codec="textured", max_bytes=400)


@pytest.mark.parametrize("shape", [(96, 160, 3), (70, 65, 3), (96, 64)])
def test_there_is_a_code_for_each_32_by_32_pixels(find_codes, shape):
    pixels = np.ascontiguousarray(PIXELS[: shape[0], : shape[1]])
    pixels = pixels if len(shape) == 3 else pixels[..., 1].copy()
    codes = find_codes(pixels, encode_hci(pixels, 200))
    assert codes.shape == grid_size(shape[1], shape[0])
    assert codes.dtype == np.uint8
    assert np.array_equal(codes, find_codes(pixels, encode_hci(pixels, 200)))


def test_a_code_depends_on_the_texture_of_its_block(find_codes):
    hci = encode_hci(PIXELS, 300)
    even = PIXELS.copy()
    even[32:96, 32:96] = even[32:96, 32:96].mean((0, 1)).astype(np.uint8)
    before, after = find_codes(PIXELS, hci), find_codes(even, hci)
    assert before[2, 2] != after[2, 2]
    assert (before != after).sum() <= 16  # VGG16 reaches into the neighbours


def test_the_decoder_reads_the_tokens_when_it_takes_steps(encoded):
    assert len(encoded.data) <= 400
    bitstream = Bitstream.unpack(encoded.data)
    tokens = bitstream.stream(StreamKind.TOKENS)
    assert tokens is not None
    without = Bitstream(bitstream.header, tuple(one for one in bitstream.streams if one is not tokens)).pack()
    refined, plain = (semlink.decode(one, steps=1).pixels.astype(int) for one in (encoded.data, without))
    assert np.abs(refined - plain).mean() > 0.3
    restored = [semlink.decode(one, steps=0).pixels for one in (encoded.data, without)]
    assert np.array_equal(*restored)


def test_damaged_tokens_are_named_and_the_picture_is_made_without_them(encoded):
    bitstream = Bitstream.unpack(encoded.data)
    streams = [
        Stream(one.kind, one.payload + b"\0") if one.kind is StreamKind.TOKENS else one for one in bitstream.streams
    ]
    damaged = semlink.decode(Bitstream(bitstream.header, tuple(streams)).pack(), steps=1)
    others = Bitstream(bitstream.header, tuple(one for one in bitstream.streams if one.kind is StreamKind.HCI))
    assert np.array_equal(damaged.pixels, semlink.decode(others.pack(), steps=1).pixels)
