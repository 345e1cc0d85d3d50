"""The learned HCI coder with the shipped weights: exact decoding, any payload, damaged weights."""

from __future__ import annotations

import hashlib
import itertools
import json
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.errors import BitstreamError, ConfigError, PictureError, SetupError
from shared.hci.integer_net import LIMIT, IntegerConv, IntegerDecoder
from shared.hci.learned import LearnedHciCoder, SymbolReader, SymbolWriter
from shared.hci.learned import load_tensors as tensors_of

GOLDEN = json.loads((Path(__file__).parent / "learned_golden.json").read_text())
SHIPPED = Path(__file__).parents[3] / "models" / "hci-learned" / "weights.safetensors"


@pytest.fixture(scope="module")
def coder():
    return LearnedHciCoder()


@pytest.fixture(scope="module")
def tensors():
    return tensors_of(None)


def picture(width, height, seed=0):
    """Smooth waves, a soft tint and an edge: about as hard as a photograph."""
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[0:height, 0:width]
    waves = [np.sin(rows * a + columns * b + c) for a, b, c in rng.uniform(0.02, 0.4, (2, 3))]
    light = waves[0] * 60 + 110 + 50 * (columns > rows)
    planes = np.stack([light + 15 * waves[1], light, light - 15 * waves[1]], axis=-1)
    return planes.clip(0, 255).astype(np.uint8)


@pytest.mark.parametrize("case", GOLDEN, ids=lambda case: f"quality{case['quality']}")
def test_golden_payload_decodes_to_the_same_picture(coder, case):
    decoded = coder.decode(bytes.fromhex(case["payload"]), case["width"], case["height"], grey=False)
    assert decoded.shape == (case["height"], case["width"], 3)
    assert hashlib.sha256(decoded.tobytes()).hexdigest() == case["sha256"]


@pytest.mark.parametrize(("width", "height"), [(8, 8), (16, 16), (17, 9), (48, 31), (8, 200), (192, 128)])
@pytest.mark.parametrize("quality", [0, 13, 31])
def test_decoder_finds_what_the_encoder_expects(coder, width, height, quality):
    payload, expected = coder.encode_with_picture(picture(width, height), quality)
    assert payload == coder.encode(picture(width, height), quality)
    decoded = coder.decode(payload, width, height, grey=False)
    assert decoded.dtype == np.uint8
    assert np.array_equal(decoded, expected)


def test_a_prepared_picture_is_coded_at_any_quality(coder):
    prepared = coder.prepare(picture(48, 31))
    for quality in (31, 0, 13):
        assert prepared(quality) == coder.encode(picture(48, 31), quality)


def test_decoded_picture_resembles_the_original(coder):
    small = picture(96, 64)
    decoded = coder.decode(coder.encode(small, 31), 96, 64, grey=False)
    assert np.mean((decoded.astype(float) - small) ** 2) < 250


def test_a_grey_picture_decodes_to_one_channel(coder):
    small = picture(40, 50)[..., 0]
    payload, expected = coder.encode_with_picture(small, 24)
    decoded = coder.decode(payload, 40, 50, grey=True)
    assert decoded.shape == (50, 40)
    assert np.array_equal(decoded, expected)
    assert np.mean((decoded.astype(float) - small) ** 2) < 250


def test_finer_quality_spends_more_and_errs_less(coder):
    smalls = [picture(64, 64, seed) for seed in range(4)]
    sizes, errors = [], []
    for quality in (0, 8, 16, 24, 31):
        coded = [coder.encode_with_picture(small, quality) for small in smalls]
        sizes.append(sum(len(payload) for payload, _ in coded))
        errors.append(sum(np.mean((out.astype(float) - s) ** 2) for (_, out), s in zip(coded, smalls, strict=True)))
    assert sizes == sorted(sizes)
    assert errors == sorted(errors, reverse=True)


def test_noise_beyond_every_table_still_decodes(coder):
    small = np.random.default_rng(3).integers(0, 2, (64, 64, 3)).astype(np.uint8) * 255
    payload, expected = coder.encode_with_picture(small, 31)
    assert np.array_equal(coder.decode(payload, 64, 64, grey=False), expected)


def test_thread_count_does_not_change_the_picture(coder):
    payload = coder.encode(picture(128, 96), 20)
    before = torch.get_num_threads()
    try:
        decoded = []
        for threads in (1, 2, 3):
            torch.set_num_threads(threads)
            decoded.append(coder.decode(payload, 128, 96, grey=False))
    finally:
        torch.set_num_threads(before)
    assert np.array_equal(decoded[0], decoded[1])
    assert np.array_equal(decoded[0], decoded[2])


def test_place_in_a_batch_does_not_change_the_picture(tensors):
    decoder = IntegerDecoder(tensors, torch.device("cpu"))
    channels = tensors["context.weight"].shape[1]
    latent = torch.randint(-40000, 40000, (5, channels, 3, 4), generator=torch.Generator().manual_seed(1)).double()
    together = decoder.picture(latent, 9)
    for place in range(5):
        assert torch.equal(decoder.picture(latent[place : place + 1], 9), together[place : place + 1])


def test_order_of_summation_does_not_change_a_convolution(tensors):
    weight, shift, bias = (tensors[f"synthesis_in.{part}"] for part in ("weight", "shift", "bias"))
    generator = torch.Generator().manual_seed(2)
    x = torch.randint(-LIMIT, LIMIT, (1, weight.shape[1], 5, 6), generator=generator).double()
    plain = IntegerConv(weight, shift, bias)(x)
    for _ in range(3):
        order = torch.randperm(weight.shape[1], generator=generator)
        assert torch.equal(IntegerConv(weight[:, order], shift, bias)(x[:, order]), plain)


def test_convolution_equals_integer_arithmetic(tensors):
    weight, shift, bias = (tensors[f"context.{part}"] for part in ("weight", "shift", "bias"))
    x = torch.randint(-LIMIT, LIMIT, (1, weight.shape[1], 4, 4), generator=torch.Generator().manual_seed(3))
    result = IntegerConv(weight, shift, bias)(x.double())
    pad_to_stride = torch.nn.functional.pad(x, (2, 2, 2, 2))
    for channel, row, column in itertools.product((0, 5), range(4), range(4)):
        total = int((weight[channel].long() * pad_to_stride[0, :, row : row + 5, column : column + 5]).sum())
        bits = int(shift[channel])
        rounded = (total + (1 << bits >> 1)) >> bits
        expected = max(-LIMIT, min(LIMIT, max(-LIMIT, min(LIMIT, rounded)) + int(bias[channel])))
        assert int(result[0, channel, row, column]) == expected


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")
def test_gpu_decodes_the_same_picture(coder):
    payload = coder.encode(picture(192, 128), 17)
    decoded = LearnedHciCoder(device="cuda").decode(payload, 192, 128, grey=False)
    assert np.array_equal(decoded, coder.decode(payload, 192, 128, grey=False))


@given(data=st.binary(max_size=300), width=st.integers(8, 70), height=st.integers(8, 70), grey=st.booleans())
@settings(deadline=None, max_examples=60)
def test_any_bytes_give_a_picture_or_a_typed_error(coder, data, width, height, grey):
    try:
        decoded = coder.decode(data, width, height, grey=grey)
    except BitstreamError:
        return
    assert decoded.shape == ((height, width) if grey else (height, width, 3))


@given(quality=st.integers(0, 31), data=st.data())
@settings(deadline=None, max_examples=40)
def test_a_changed_payload_gives_a_picture_or_a_typed_error(coder, quality, data):
    payload = bytearray(coder.encode(picture(40, 24), quality))
    payload[data.draw(st.integers(1, len(payload) - 1))] ^= data.draw(st.integers(1, 255))
    try:
        decoded = coder.decode(bytes(payload), 40, 24, grey=False)
    except BitstreamError:
        return
    assert decoded.shape == (24, 40, 3)


def test_a_longer_or_shorter_payload_is_refused(coder):
    payload = coder.encode(picture(64, 48), 20)
    for wrong in (payload + b"\0", payload + b"\1", payload + bytes(9), b"", bytes([32]) + payload[1:]):
        with pytest.raises(BitstreamError):
            coder.decode(wrong, 64, 48, grey=False)


@pytest.mark.parametrize(("width", "height"), [(7, 64), (64, 2049), (0, 0), (-5, 20)])
def test_a_size_that_no_encoder_takes_is_refused(coder, width, height):
    with pytest.raises(BitstreamError, match="sides must be 8 to 2048"):
        coder.decode(bytes(10), width, height, grey=False)


def test_what_cannot_be_coded_is_refused(coder):
    with pytest.raises(PictureError, match="7x20"):
        coder.encode(np.zeros((20, 7, 3), np.uint8), 3)
    with pytest.raises(PictureError, match="float64"):
        coder.encode(np.zeros((20, 20, 3)), 3)
    with pytest.raises(PictureError):
        coder.encode(np.zeros((20, 20, 4), np.uint8), 3)
    with pytest.raises(ConfigError, match="quality 32"):
        coder.encode(np.zeros((20, 20, 3), np.uint8), 32)


SYMBOLS = st.lists(st.tuples(st.integers(-1023, 1023), st.integers(0, 63)), max_size=80)


@given(passes=st.lists(SYMBOLS, min_size=1, max_size=3))
@settings(deadline=None, max_examples=150)
def test_symbols_survive_the_shortest_bytes(coder, passes):
    writer = SymbolWriter(coder.tables)
    arrays = [np.array(pairs, np.int32).reshape(-1, 2) for pairs in passes]
    for pairs in arrays:
        writer.write(pairs[:, 0], pairs[:, 1])
    data = writer.to_bytes()
    assert not data.endswith(b"\0")
    reader = SymbolReader(coder.tables, data)
    for pairs in arrays:
        assert np.array_equal(reader.read(pairs[:, 1]), pairs[:, 0])
    reader.finish()


def test_missing_weights_name_the_fix(tmp_path):
    with pytest.raises(SetupError, match=r"training/README\.md"):
        LearnedHciCoder(tmp_path / "nothing.safetensors")


def test_truncated_weights_are_refused(tmp_path):
    path = tmp_path / "weights.safetensors"
    path.write_bytes(SHIPPED.read_bytes()[:5000])
    with pytest.raises(SetupError, match="damaged"):
        LearnedHciCoder(path)


DAMAGES = {
    "missing": lambda t: t.pop("context.bias"),
    "other kind": lambda t: t.update({"synthesis_in.weight": t["synthesis_in.weight"].float()}),
    "lost channel": lambda t: t.update({"hyper_first.shift": t["hyper_first.shift"][1:].contiguous()}),
    "zero probability": lambda t: t["counts"].__setitem__((3, 0), 0),
    "no qualities": lambda t: t.update({"inverse_gain": t["inverse_gain"][:5].contiguous()}),
    "inexact sums": lambda t: t.update({"context.weight": torch.full((128, 9000, 5, 5), 32767, dtype=torch.int16)}),
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES.keys())
def test_damaged_weights_are_refused(tensors, tmp_path, damage):
    changed = {name: tensor.clone() for name, tensor in tensors.items()}
    damage(changed)
    safetensors.torch.save_file(changed, tmp_path / "weights.safetensors")
    with pytest.raises(SetupError, match="damaged"):
        LearnedHciCoder(tmp_path / "weights.safetensors")
