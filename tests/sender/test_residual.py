"""Residual tokens beside a highly compressed image, with made-up codes and streams."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from sender.budget import HCI_SHARE, Budget
from sender.encode import encode_picture
from sender.extractors.extractors import Extractors
from sender.residual import ResidualEncoder
from shared.bitstream import Bitstream, PictureHeader
from shared.codecs.recipe import Codec, change_recipe
from shared.codecs.registry import get_codec
from shared.errors import ConfigError, SetupError
from shared.picture import load_picture
from shared.residual.stream import decode_residual, grid_size
from shared.streams import Stream, StreamKind

HEADER = PictureHeader(256, 192)
PIXELS = np.zeros((HEADER.height, HEADER.width, 3), np.uint8)


def encode(total_bytes, codes, share=1.0):
    """Encode with an HCI that takes ``share`` of its budget."""
    asked = []

    def encode_within(budget):
        asked.append(budget.total_bytes)
        room = budget.room({}, StreamKind.HCI)
        return budget.container({StreamKind.HCI: bytes(max(1, int(share * room)))})

    encoder = ResidualEncoder(PIXELS, Budget(HEADER, total_bytes), lambda pixels, hci: codes, encode_within)
    return encoder.run(), asked


def random_codes(seed):
    return np.random.default_rng(seed).integers(0, 32, grid_size(256, 192)).astype(np.uint8)


@given(st.integers(60, 1500), st.integers(0, 1000))
def test_the_budget_holds_and_the_tokens_are_those_of_the_hci(total_bytes, seed):
    codes = random_codes(seed)
    bitstream, _ = encode(total_bytes, codes)
    assert len(bitstream.pack()) <= total_bytes
    tokens, hci = (bitstream.stream(kind) for kind in (StreamKind.TOKENS, StreamKind.HCI))
    assert hci is not None
    if tokens is not None:
        assert np.array_equal(decode_residual(tokens.units, 256, 192)[0], codes)
        assert len(hci.payload) >= (HCI_SHARE - 0.1) * total_bytes - 20


def test_tokens_are_left_out_where_the_hci_would_get_less_than_its_share():
    bitstream, asked = encode(60, random_codes(0))
    assert [one.kind for one in bitstream.streams] == [StreamKind.HCI]
    assert asked == [60]


def test_codes_that_are_longer_than_the_estimate_get_a_second_try():
    codes = random_codes(0)  # as many bits as possible: without context they are unlikely
    bitstream, asked = encode(400, codes)
    assert len(asked) == 2
    assert asked[1] < asked[0]
    assert bitstream.stream(StreamKind.TOKENS) is not None
    assert 0.97 * 400 <= len(bitstream.pack()) <= 400


def test_without_an_hci_there_are_no_tokens():
    def encode_within(budget):
        return Bitstream(budget.header, (Stream(StreamKind.CAPTION, b"x"),))

    encoder = ResidualEncoder(PIXELS, Budget(HEADER, 400), lambda pixels, hci: random_codes(0), encode_within)
    assert encoder.run().stream(StreamKind.TOKENS) is None


def test_a_sender_without_the_decoder_names_what_is_missing(picture_png):
    with pytest.raises(SetupError, match="install the receiver"):
        encode_picture(load_picture(picture_png), get_codec("textured"), Extractors(), 900)


@pytest.mark.parametrize(
    "changes",
    [
        {"streams": (StreamKind.HCI,)},
        {"streams": (StreamKind.CAPTION, StreamKind.TOKENS)},
        {"streams": (StreamKind.HCI, StreamKind.TOKENS), "fills": True},
        {"streams": (StreamKind.HCI, StreamKind.TOKENS), "parts": True},
    ],
)
def test_a_recipe_with_residual_tokens_has_a_whole_hci(changes):
    with pytest.raises(ValidationError, match="tokens"):
        Codec(name="some", summary="a codec", residual=True, **changes)


def test_the_number_of_residual_tokens_follows_from_the_picture():
    with pytest.raises(ConfigError, match="codec 'textured' sends one token for 32 × 32 pixels"):
        change_recipe(get_codec("textured"), {"tokens": 8})
