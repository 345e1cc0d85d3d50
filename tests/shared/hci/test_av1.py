"""The av1 coder: exact decoding, typed errors, headers rebuilt as libaom wrote them."""

import hashlib
import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.errors import BitstreamError, ConfigError, PictureError
from shared.hci import obu
from shared.hci.av1 import Av1Coder
from shared.hci.obu import Chroma
from shared.hci.yuv import rgb_from_yuv, yuv_from_rgb

GOLDEN = json.loads(Path(__file__).with_name("golden").joinpath("av1.json").read_text())
FAST = 8


def scene(width, height, *, grey=False, seed=0):
    """A smooth picture with an edge and some texture."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width] / max(width, height)
    colour = np.stack([200 * x, 120 + 40 * (x + y > 0.7), 120 + 100 * np.sin(9 * y)], -1) + rng.normal(
        0, 6, (height, width, 3)
    )
    pixels = np.clip(colour, 0, 255).astype(np.uint8)
    return pixels[..., 0].copy() if grey else pixels


def psnr_db(a, b):
    return 10 * np.log10(255**2 / np.mean((a.astype(float) - b) ** 2))


def decoded_hash(entry):
    pixels = Av1Coder().decode(bytes.fromhex(entry["payload"]), entry["width"], entry["height"], grey=entry["grey"])
    assert pixels.shape[:2] == (entry["height"], entry["width"])
    return hashlib.sha256(pixels.tobytes()).hexdigest()


@pytest.mark.parametrize("entry", GOLDEN, ids=lambda entry: entry["name"])
def test_golden_payload_decodes_to_the_same_pixels(entry):
    assert decoded_hash(entry) == entry["sha256"]


def test_decoding_is_the_same_in_many_threads_at_once():
    jobs = GOLDEN * 8
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(decoded_hash, jobs)) == [entry["sha256"] for entry in jobs]


def test_encoding_is_deterministic():
    picture = scene(70, 50)
    assert Av1Coder(speed=FAST).encode(picture, 60) == Av1Coder(speed=FAST).encode(picture, 60)


@pytest.mark.parametrize("size", [(8, 8), (9, 8), (8, 65), (64, 64), (65, 127), (131, 67)])
@pytest.mark.parametrize("chroma", Chroma)
def test_sizes_and_chroma_formats(size, chroma):
    width, height = size
    grey = chroma is Chroma.GREY
    picture = scene(width, height, grey=grey)
    coder = Av1Coder(chroma=None if grey else chroma, speed=FAST)
    pixels = coder.decode(coder.encode(picture, 110), width, height, grey=grey)
    assert pixels.shape == picture.shape
    assert psnr_db(pixels, picture) > 22


def test_a_picture_wide_enough_for_several_tiles():
    picture = np.repeat(scene(64, 16), 64, axis=1)
    coder = Av1Coder(speed=FAST)
    payload = coder.encode(picture, 60)
    assert obu.unpack(payload, 4096, 16, grey=False)[0].tiles.log2 == 1
    assert psnr_db(coder.decode(payload, 4096, 16, grey=False), picture) > 25


def test_quality_orders_bytes_and_fidelity():
    picture = scene(80, 64)
    coder = Av1Coder(speed=FAST)
    payloads = [coder.encode(picture, quality) for quality in range(0, 126, 24)]
    sizes = [len(payload) for payload in payloads]
    fidelity = [psnr_db(coder.decode(payload, 80, 64, grey=False), picture) for payload in payloads]
    assert sizes == sorted(sizes)
    assert fidelity == sorted(fidelity)


def test_the_header_takes_three_bytes_and_two_in_grey():
    for grey, header_bytes in ((False, 3), (True, 2)):
        payload = Av1Coder().encode(scene(48, 48, grey=grey), 40)
        still, tiles = obu.unpack(payload, 48, 48, grey=grey)
        assert still.mode_code != obu.SPELLED_OUT
        assert len(payload) - len(tiles.removesuffix(obu.TRAILING)) == header_bytes


def test_flat_colours_keep_their_colour():
    for colour in ((255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255), (0, 0, 0), (200, 30, 90)):
        flat = np.full((16, 24, 3), colour, np.uint8)
        coder = Av1Coder(speed=FAST)
        error = coder.decode(coder.encode(flat, 125), 24, 16, grey=False).astype(int) - flat
        assert np.abs(error).max() <= 3
        assert not coder.decode(coder.encode(flat[..., 0].copy(), 125), 24, 16, grey=True).astype(int).std()


def test_colour_conversion_round_trip_within_rounding():
    rgb = np.random.default_rng(1).integers(0, 256, (300, 31, 3), np.uint8)
    assert np.abs(rgb_from_yuv(*yuv_from_rgb(rgb)).astype(int) - rgb).max() <= 2


def test_known_colour_values():
    """ITU-T T.871's own equations, rounded."""
    luma, cb, cr = yuv_from_rgb(np.array([[[255, 0, 0], [0, 0, 255], [17, 17, 17]]], np.uint8))
    assert (luma.tolist(), cb.tolist(), cr.tolist()) == ([[76, 29, 17]], [[85, 255, 128]], [[255, 107, 128]])


def test_chroma_up_sampling_is_the_triangle_filter():
    grey = np.full((2, 4), 128, np.uint8)
    cr = np.array([[128, 228]], np.uint8)
    red = rgb_from_yuv(grey, np.full((1, 2), 128, np.uint8), cr)[0, :, 0]
    assert red.tolist() == [128, 163, 233, 255]


@pytest.mark.parametrize(
    "picture",
    [np.zeros((7, 8, 3), np.uint8), np.zeros((8, 8, 4), np.uint8), np.zeros((8, 8), np.float32), np.zeros(8, np.uint8)],
)
def test_not_a_picture(picture):
    with pytest.raises(PictureError):
        Av1Coder().encode(picture, 10)


@pytest.mark.parametrize("quality", [-1, 126])
def test_quality_outside_its_range(quality):
    with pytest.raises(ConfigError, match=r"0\.\.125"):
        Av1Coder().encode(scene(16, 16), quality)


@pytest.mark.parametrize("size", [(0, 8), (8, 0), (4097, 8), (-1, 5)])
def test_decoding_to_a_size_outside_the_range(size):
    with pytest.raises(BitstreamError):
        Av1Coder().decode(bytes.fromhex(GOLDEN[0]["payload"]), *size, grey=False)


def decodes_or_says_why(payload, width, height, *, grey):
    try:
        pixels = Av1Coder().decode(payload, width, height, grey=grey)
    except BitstreamError as error:
        return str(error).isprintable()
    return pixels.dtype == np.uint8 and pixels.shape == ((height, width) if grey else (height, width, 3))


sides = st.integers(1, 200)


@settings(deadline=None, max_examples=300)
@given(st.binary(max_size=300), sides, sides, st.booleans())
def test_any_bytes_decode_or_raise_a_typed_error(payload, width, height, grey):
    assert decodes_or_says_why(payload, width, height, grey=grey)


@settings(deadline=None, max_examples=300)
@given(st.sampled_from(GOLDEN), st.data())
def test_damaged_payloads_decode_or_raise_a_typed_error(entry, data):
    payload = bytearray.fromhex(entry["payload"])
    for _ in range(data.draw(st.integers(1, 4))):
        payload[data.draw(st.integers(0, len(payload) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(payload)))
    assert decodes_or_says_why(bytes(payload[:cut]), entry["width"], entry["height"], grey=entry["grey"])


stills = st.builds(
    obu.Still,
    width=st.integers(1, 4096),
    height=st.integers(1, 4096),
    chroma=st.sampled_from([Chroma.YUV420, Chroma.YUV444]),
    quantizer=st.integers(1, 63),
    screen_content=st.booleans(),
    tx_mode_select=st.booleans(),
    delta_q_res=st.none() | st.integers(0, 3),
    chroma_delta=st.tuples(st.integers(-64, 63), st.integers(-64, 63)),
    post_filter=st.builds(obu.PostFilter, st.integers(0, 15), st.integers(0, 15), st.integers(0, 7), st.integers(0, 7)),
)


@given(stills, st.binary(max_size=20))
def test_packed_headers_read_back(still, tiles):
    assert obu.unpack(obu.pack(still, tiles), still.width, still.height, grey=False) == (still, tiles)
