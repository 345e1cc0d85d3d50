"""The latent stream with the shipped tables: exact for any channels, typed errors for any bytes, few bytes."""

from __future__ import annotations

import importlib.util
import json
import zlib
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.errors import BitstreamError, ConfigError, SetupError
from shared.latent.coder import decode_latent, encode_latent
from shared.latent.context import STEPS, neighbours
from shared.latent.layout import LATENT_CHANNELS, latent_size
from shared.latent.tables import load_tables

HERE = Path(__file__).parent
GOLDEN = json.loads((HERE / "golden.json").read_text())
SPEC = importlib.util.spec_from_file_location("make_latent_golden", HERE / "make_golden.py")
golden_maker = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(golden_maker)
SHIPPED = Path(__file__).parents[3] / "models" / "latent" / "tables.safetensors"

IDS = st.lists(st.integers(0, LATENT_CHANNELS - 1), min_size=1, max_size=LATENT_CHANNELS, unique=True)


@pytest.mark.parametrize("case", GOLDEN, ids=lambda case: f"{case['width']}x{case['height']}")
def test_golden_payload(case):
    arrived = decode_latent(bytes.fromhex(case["payload"]), case["width"], case["height"])
    assert list(arrived.ids) == case["ids"]
    assert golden_maker.digest_of(arrived.values) == case["sha256"]
    values = golden_maker.values_of(case["width"], case["height"])
    assert encode_latent(values, case["ids"]).hex() == case["payload"]


@given(
    ids=IDS,
    width=st.integers(1, 200),
    height=st.integers(1, 200),
    seed=st.integers(0, 2**32 - 1),
    spread=st.sampled_from([0, 1, 3, 127]),
)
@settings(deadline=None, max_examples=40)
def test_decoding_restores_any_channels(ids, width, height, seed, spread):
    values = np.random.default_rng(seed).integers(-spread, spread + 1, (LATENT_CHANNELS, *latent_size(width, height)))
    arrived = decode_latent(encode_latent(values, ids), width, height)
    assert arrived.ids == tuple(sorted(ids))
    assert arrived.values.dtype == np.int16
    assert np.array_equal(arrived.values, values[sorted(ids)])


def decodes_or_says_why(payload, width, height):
    try:
        arrived = decode_latent(payload, width, height)
    except BitstreamError as error:
        return str(error).isprintable()
    return arrived.values.shape == (len(arrived.ids), *latent_size(width, height))


@given(payload=st.binary(max_size=80), width=st.integers(1, 130), height=st.integers(1, 130))
@settings(deadline=None, max_examples=80)
def test_any_bytes_give_channels_or_a_typed_error(payload, width, height):
    assert decodes_or_says_why(payload, width, height)


@given(data=st.data(), case=st.sampled_from(GOLDEN[:3]))
@settings(deadline=None, max_examples=60)
def test_damaged_payloads_give_channels_or_a_typed_error(data, case):
    payload = bytearray.fromhex(case["payload"])
    for _ in range(data.draw(st.integers(1, 3))):
        payload[data.draw(st.integers(0, len(payload) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(payload)))
    assert decodes_or_says_why(bytes(payload[:cut]), case["width"], case["height"])


@pytest.mark.parametrize("size", [(0, 16), (16, 0), (8193, 16), (16, -5)])
def test_decoding_to_a_size_outside_the_range(size):
    with pytest.raises(BitstreamError, match="8192"):
        decode_latent(b"\1\2\3", *size)


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (2, 3), (14, 14), (17, 31)])
def test_every_sample_is_coded_once_after_its_context(size):
    known = np.zeros(size, np.int64)
    for step in STEPS:
        rows, columns = step.places(*size)
        assert not known[rows, columns].any()
        # Whatever a neighbour reads is 1 where it is known; unknown ones would be read as 0 from inside the plane.
        inside = neighbours(np.ones(size, np.int64), step, rows, columns)
        assert np.array_equal(neighbours(known, step, rows, columns), inside)
        known[rows, columns] = 1
    assert known.all()


def test_typical_channels_take_fewer_bytes_than_zlib():
    row, column = np.mgrid[0:32, 0:48]
    noise = np.random.default_rng(0).normal(size=(LATENT_CHANNELS, 32, 48))
    planes = [1.2 * np.sin(row / 6 + plane) * np.cos(column / 9 - plane) for plane in range(LATENT_CHANNELS)]
    values = np.rint(np.array(planes) + 0.3 * noise).astype(np.int64)
    ids = (0, 3, 6, 9)
    packed = zlib.compress(values[list(ids)].astype(np.int8).tobytes(), 9)
    assert len(encode_latent(values, ids)) < 0.9 * len(packed)


def test_zero_channels_cost_a_tenth_of_a_bit_per_sample():
    assert len(encode_latent(np.zeros((LATENT_CHANNELS, 32, 48), np.int64), range(16))) < 16 * 32 * 48 * 0.12 / 8


@pytest.mark.parametrize("ids", [[], [0, 0], [-1], [32], list(range(33))])
def test_invalid_channel_ids_raise(ids):
    with pytest.raises(ConfigError, match="channels"):
        encode_latent(np.zeros((LATENT_CHANNELS, 2, 2), np.int64), ids)


@pytest.mark.parametrize(
    "values",
    [
        np.zeros((31, 2, 2), int),
        np.zeros((LATENT_CHANNELS, 2, 2)),
        np.zeros((LATENT_CHANNELS, 0, 2), int),
        np.full((LATENT_CHANNELS, 1, 1), 128),
    ],
)
def test_invalid_latent_values_raise(values):
    with pytest.raises(ConfigError):
        encode_latent(values, [1])


def test_missing_and_damaged_tables_raise(tmp_path):
    with pytest.raises(SetupError, match="no tables"):
        load_tables(tmp_path / "none")
    (tmp_path / "cut").write_bytes(SHIPPED.read_bytes()[:1000])
    with pytest.raises(SetupError, match="damaged"):
        load_tables(tmp_path / "cut")
    arrays = safetensors.numpy.load_file(SHIPPED)
    arrays["counts"][3, 2, 1] = 0
    safetensors.numpy.save_file(arrays, tmp_path / "zero")
    with pytest.raises(SetupError, match="counts"):
        load_tables(tmp_path / "zero")
