"""The payload of residual tokens: exact inverses, golden bytes, bands that decode alone, damage."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import BitstreamError
from shared.residual.stream import (
    CODES,
    STRIDE,
    band_rows,
    decode_residual,
    encode_residual,
    estimate_bytes,
    grid_size,
    load_tables,
)
from tests.shared.residual.make_golden import codes_of

GOLDEN = json.loads(Path(__file__).with_name("golden.json").read_text())
ANY_CODES = st.tuples(st.integers(1, 20), st.integers(1, 20), st.integers(0, 2**32)).map(
    lambda drawn: np.random.default_rng(drawn[2]).integers(0, CODES, drawn[:2]).astype(np.uint8)
)


def size_of(codes):
    rows, columns = codes.shape
    return STRIDE * columns, STRIDE * rows


@pytest.mark.parametrize("case", GOLDEN, ids=range(len(GOLDEN)))
def test_golden_units(case):
    width, height = case["width"], case["height"]
    units = tuple(bytes.fromhex(unit) for unit in case["units"])
    assert encode_residual(codes_of(width, height)) == units
    codes, damaged = decode_residual(units, width, height)
    assert np.array_equal(codes, codes_of(width, height))
    assert damaged == 0


@given(ANY_CODES)
def test_decoding_restores_any_codes(codes):
    decoded, damaged = decode_residual(encode_residual(codes), *size_of(codes))
    assert np.array_equal(decoded, codes)
    assert damaged == 0


@given(ANY_CODES, st.data())
def test_every_band_decodes_without_the_others(codes, data):
    units = encode_residual(codes)
    kept = data.draw(st.lists(st.booleans(), min_size=len(units), max_size=len(units)))
    received = tuple(unit if keep else b"" for unit, keep in zip(units, kept, strict=True))
    decoded, damaged = decode_residual(received, *size_of(codes))
    assert damaged == 0
    for rows, keep in zip(band_rows(*codes.shape), kept, strict=True):
        assert np.array_equal(decoded[rows], codes[rows]) if keep else (decoded[rows] == -1).all()


@given(st.binary(min_size=1, max_size=60))
def test_any_bytes_are_codes_that_encode_to_them_or_damaged(unit):
    codes, damaged = decode_residual((unit,), 4 * STRIDE, 3 * STRIDE)
    if damaged:
        assert (codes == -1).all()
    else:
        assert encode_residual(codes.astype(np.uint8)) == (unit,)


def test_a_unit_of_another_form_is_damaged():
    codes = codes_of(64, 64)
    unit = b"\xc1" + encode_residual(codes)[0][1:]
    assert decode_residual((unit,), 64, 64)[1] == 1


def test_another_number_of_units_is_refused():
    with pytest.raises(BitstreamError, match="1 units of residual tokens; 768x512 pixels have 2"):
        decode_residual((b"\xc0",), 768, 512)


def draw_usual_codes(rows, columns):
    """Codes as likely as the tables say, each given those to its left and above."""
    tables, rng = load_tables(), np.random.default_rng(0)
    codes, groups = np.zeros((rows, columns), np.uint8), np.full((rows + 1, columns + 1), 8)
    for row, column in np.ndindex(rows, columns):
        counts = tables.counts[groups[row + 1, column], groups[row, column + 1]]
        codes[row, column] = rng.choice(CODES, p=counts / counts.sum())
        groups[row + 1, column + 1] = tables.groups[codes[row, column]]
    return codes


def test_the_estimate_holds_usual_codes_and_context_saves_bytes():
    usual = draw_usual_codes(16, 24)
    size = sum(map(len, encode_residual(usual)))
    assert size <= estimate_bytes(768, 512) <= 1.15 * size
    shuffled = np.random.default_rng(0).permutation(usual.ravel()).reshape(usual.shape)
    assert size < 0.95 * sum(map(len, encode_residual(shuffled)))


@pytest.mark.parametrize(("width", "height"), [(1, 1), (32, 33), (768, 512), (4000, 3000)])
def test_bands_cover_the_grid_in_order(width, height):
    rows, columns = grid_size(width, height)
    bands = band_rows(rows, columns)
    assert [row for band in bands for row in range(rows)[band]] == list(range(rows))
    assert (rows, columns) == (-(-height // STRIDE), -(-width // STRIDE))
