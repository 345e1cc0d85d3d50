"""The HCI stream: budgets kept, sizes right, damaged payloads refused."""

import numpy as np
import pytest
import skimage.data
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.errors import BitstreamError, BudgetError, ConfigError, PictureError, UnknownNameError
from shared.hci.stream import HCI_SCALES, decode_hci, downsample, encode_hci, encode_hci_at, get_coder, upsample


def scene(width, height, *, grey=False):
    y, x = np.mgrid[:height, :width]
    pixels = np.stack([x * 255 // width, y * 255 // height, (x // 16 + y // 16) % 2 * 200], -1).astype(np.uint8)
    return pixels[..., 2].copy() if grey else pixels


@settings(deadline=None, max_examples=15)
@given(st.integers(64, 200), st.integers(64, 200), st.booleans(), st.integers(1, 400))
def test_budget_is_never_exceeded(width, height, grey, max_bytes):
    picture = scene(width, height, grey=grey)
    try:
        payload = encode_hci(picture, max_bytes, coder="av1")
    except BudgetError as error:
        fewest = int(str(error).split("it takes ")[1].split()[0])
        assert fewest > max_bytes
        assert len(encode_hci(picture, fewest, coder="av1")) <= fewest
    else:
        assert len(payload) <= max_bytes
        image = decode_hci(payload, width, height, grey=grey)
        expected = (-(-height // image.scale), -(-width // image.scale))
        assert image.pixels.shape == (expected if grey else (*expected, 3))
        assert upsample(image.pixels, width, height).shape == picture.shape


def test_more_bytes_buy_a_better_picture():
    picture = scene(160, 120)
    errors = []
    for max_bytes in (40, 120, 400, 1200):
        image = decode_hci(encode_hci(picture, max_bytes, coder="av1"), 160, 120)
        errors.append(np.mean((upsample(image.pixels, 160, 120).astype(float) - picture) ** 2))
    assert errors == sorted(errors, reverse=True)


def test_budget_is_used():
    picture = upsample(skimage.data.astronaut(), 256, 192)
    assert len(encode_hci(picture, 600, coder="av1")) > 500


@pytest.mark.parametrize("scale", HCI_SCALES)
def test_every_scale(scale):
    picture = scene(161, 130)
    payload = encode_hci_at(picture, "av1", scale, 40)
    image = decode_hci(payload, 161, 130)
    assert (image.coder, image.scale) == ("av1", scale)
    assert image.pixels.shape == downsample(picture, scale).shape == (-(-130 // scale), -(-161 // scale), 3)


def test_decoding_equals_the_coder_on_the_small_picture():
    picture = scene(128, 96)
    coder = get_coder("av1")
    payload = encode_hci_at(picture, "av1", 4, 60)
    assert payload[1:] == coder.encode(downsample(picture, 4), 60)
    assert np.array_equal(decode_hci(payload, 128, 96).pixels, coder.decode(payload[1:], 32, 24, grey=False))


def test_too_small_a_budget_names_the_fewest_bytes():
    with pytest.raises(BudgetError, match=r"3 bytes are too few .* 128x96 picture; it takes \d+ or more"):
        encode_hci(scene(128, 96), 3, coder="av1")


@pytest.mark.parametrize("max_bytes", [0, -5, 1])
def test_a_budget_without_room_raises(max_bytes):
    with pytest.raises(BudgetError):
        encode_hci(scene(64, 64), max_bytes, coder="av1")


def test_unknown_names_and_settings():
    with pytest.raises(UnknownNameError, match="no HCI coder called 'jpeg'; there are av1, learned"):
        encode_hci(scene(64, 64), 100, coder="jpeg")
    with pytest.raises(ConfigError, match="HCI scale 7; there are 1, 2"):
        encode_hci_at(scene(64, 64), "av1", 7, 10)


@pytest.mark.parametrize("shape", [(63, 100, 3), (100, 8193, 3), (100, 100, 4), (100,)])
def test_not_a_picture(shape):
    with pytest.raises(PictureError):
        encode_hci(np.zeros(shape, np.uint8), 100)


@pytest.mark.parametrize("payload", [b"", b"\xff", b"\xc0abc", b"\x01abc", b"\x18"])
def test_damaged_first_byte(payload):
    with pytest.raises(BitstreamError):
        decode_hci(payload, 128, 128)


@settings(deadline=None, max_examples=200)
@given(st.binary(max_size=200), st.integers(64, 300), st.integers(64, 300), st.booleans())
def test_any_bytes_decode_or_raise_a_typed_error(rest, width, height, grey):
    payload = bytes([len(rest) % 8 << 3]) + rest
    try:
        image = decode_hci(payload, width, height, grey=grey)
    except BitstreamError as error:
        message = str(error)
        assert message.isprintable()
    else:
        assert image.pixels.shape[:2] == (-(-height // image.scale), -(-width // image.scale))
