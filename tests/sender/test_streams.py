"""Codecs of several streams: the receiver finds the streams that the sender sent, and the budget holds."""

import pytest
import torch

from receiver.guidance import guidance_in
from sender.encode import encode_picture
from sender.extractors.tokens import TokenEncoder, new_token_network, save_token_network
from shared.bitstream import Bitstream
from shared.codecs.builtin import LAYERED
from shared.codecs.recipe import Codec
from shared.errors import BudgetError, SetupError
from shared.picture import encode_png, load_picture
from shared.streams import StreamKind
from shared.tokens.stream import TokenKind

FOUR = Codec(
    name="four",
    summary="all that needs no tokens",
    streams=(StreamKind.HCI, StreamKind.CAPTION, StreamKind.REGIONS, StreamKind.LATENT),
    latent_channels=2,
)
CAPTION = "A brown dog runs through the grass."


@pytest.fixture(scope="module")
def picture():
    from skimage import data

    return load_picture(encode_png(data.chelsea()))


@pytest.mark.parametrize("max_bytes", [300, 900])
def test_the_receiver_finds_all_streams_and_the_budget_holds(max_bytes, picture, extractors):
    bitstream = encode_picture(picture, FOUR, extractors, max_bytes, CAPTION)
    packed = bitstream.pack()
    assert len(packed) <= max_bytes
    guidance = guidance_in(Bitstream.unpack(packed))
    assert guidance.damaged == ()
    assert guidance.caption == CAPTION
    assert guidance.hci is not None
    assert (guidance.latent is None) == (bitstream.stream(StreamKind.LATENT) is None)
    assert (guidance.regions is None) == (bitstream.stream(StreamKind.REGIONS) is None)


def test_latent_channels_alone_fill_the_budget(picture, extractors):
    codec = FOUR.model_copy(update={"streams": (StreamKind.LATENT,), "latent_channels": 4})
    guidance = guidance_in(encode_picture(picture, codec, extractors, 2000))
    assert guidance.hci is None
    assert len(guidance.latent.ids) == 4
    with pytest.raises(BudgetError, match=r"30 bytes are too few .* give [0-9]+ or more"):
        encode_picture(picture, codec, extractors, 30)


def test_a_base_layer_gets_its_bytes_before_the_hci_and_is_sent_first(picture, extractors):
    whole = encode_picture(picture, LAYERED, extractors, 600)
    assert {stream.kind for stream in whole.streams} >= {StreamKind.HCI, StreamKind.LATENT}
    assert len(whole.stream(StreamKind.HCI).payload) >= 0.6 * 600
    assert len(guidance_in(whole).latent.ids) <= LAYERED.latent_channels
    tight = encode_picture(picture, LAYERED, extractors, 100)
    assert tight.stream(StreamKind.LATENT) is None


def test_a_callers_caption_is_sent_or_raises(picture, extractors):
    assert guidance_in(encode_picture(picture, FOUR, extractors, 300, "")).caption is None
    with pytest.raises(BudgetError, match=r"shorten it, or give [0-9]+ bytes or more"):
        encode_picture(picture, FOUR, extractors, 300, "海辺" * 100)


def test_the_first_tokens_do_not_depend_on_how_many_are_sent(tmp_path, picture):
    torch.manual_seed(0)
    for kind in TokenKind:
        save_token_network(new_token_network(kind), tmp_path, kind)
    encoder = TokenEncoder(tmp_path)
    hci = picture.pixels[::8, ::8].copy()
    few, many = (encoder(TokenKind.RSRT, count, picture.pixels, hci, CAPTION) for count in (8, 64))
    assert many.codes[:8] == few.codes
    assert encoder(TokenKind.RSRT, 64, picture.pixels, None, "").codes != many.codes
    assert encoder(TokenKind.SPW, 64, picture.pixels, hci, CAPTION) == encoder(
        TokenKind.SPW, 64, picture.pixels, None, ""
    )


def test_missing_token_weights_raise_a_one_line_error(tmp_path):
    with pytest.raises(SetupError, match=r"no weights of the token encoder at .*spw\.safetensors"):
        TokenEncoder(tmp_path)
