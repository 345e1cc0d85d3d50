"""The region stream: exact for any regions, typed errors for any bytes, fewer bytes than MISC's own."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from shared.errors import BitstreamError, ConfigError, InputError
from shared.regions.coder import decode_regions, encode_regions
from shared.regions.region import Region, split_words

HERE = Path(__file__).parent
GOLDEN = json.loads((HERE / "golden.json").read_text())
SPEC = importlib.util.spec_from_file_location("make_golden", HERE / "make_golden.py")
golden_maker = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(golden_maker)
mask_of, rows_of, BLOB = golden_maker.mask_of, golden_maker.rows_of, golden_maker.BLOB

MASKS = st.lists(st.integers(0, 255), min_size=8, max_size=8)
WORDS = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
REGIONS = st.lists(
    st.builds(
        lambda name, detail, rows: Region(name, detail, mask_of(rows)),
        WORDS.filter(lambda text: len(split_words(text)) <= 3),
        WORDS.filter(lambda text: len(split_words(text)) <= 10),
        MASKS,
    ),
    max_size=3,
)


def contents(regions):
    return [(region.name, region.detail, rows_of(region.mask)) for region in regions]


@pytest.mark.parametrize("case", GOLDEN, ids=range(len(GOLDEN)))
def test_golden_payload(case):
    regions = [Region(name, detail, mask_of(rows)) for name, detail, rows in case["regions"]]
    assert encode_regions(regions).hex() == case["payload"]
    assert contents(decode_regions(bytes.fromhex(case["payload"]))) == contents(regions)


@given(regions=REGIONS)
@settings(deadline=None, max_examples=150)
@example(regions=[Region(" ", "  ", mask_of(BLOB)), Region("", " ", mask_of(BLOB))])
def test_decoding_restores_any_regions(regions):
    assert contents(decode_regions(encode_regions(regions))) == contents(regions)


def decodes_or_says_why(payload):
    try:
        regions = decode_regions(payload)
    except BitstreamError as error:
        return str(error).isprintable()
    return encode_regions(regions) == payload


@given(payload=st.binary(max_size=50))
@settings(deadline=None, max_examples=300)
def test_any_bytes_give_regions_or_a_typed_error(payload):
    assert decodes_or_says_why(payload)


@given(data=st.data(), case=st.sampled_from(GOLDEN[2:]))
@settings(deadline=None, max_examples=200)
def test_damaged_payloads_give_regions_or_a_typed_error(data, case):
    payload = bytearray.fromhex(case["payload"])
    for _ in range(data.draw(st.integers(1, 3))):
        payload[data.draw(st.integers(0, len(payload) - 1))] = data.draw(st.integers(0, 255))
    assert decodes_or_says_why(bytes(payload[: data.draw(st.integers(0, len(payload)))]))


def test_no_regions_give_an_empty_payload():
    assert encode_regions([]) == b""
    assert decode_regions(b"") == ()


def test_fewer_bytes_than_uncoded():
    regions = [
        Region("dog", "brown and white in the middle", mask_of(BLOB)),
        Region("ball", "bright yellow on the left", mask_of([0, 0, 0, 0, 0, 0xC0, 0xC0, 0])),
    ]
    uncoded_bytes = 3 * 8 + sum(len(region.name) + len(region.detail) for region in regions)
    assert len(encode_regions(regions)) < uncoded_bytes / 2


def test_more_than_three_regions():
    with pytest.raises(ConfigError, match="at most 3"):
        encode_regions([Region("dog", "", mask_of(BLOB))] * 4)


@pytest.mark.parametrize(
    ("name", "detail"), [("a very big dog", ""), ("dog", "one two three four five six seven eight nine ten eleven")]
)
def test_too_many_words(name, detail):
    with pytest.raises(ConfigError, match="shorten it"):
        Region(name, detail, mask_of(BLOB))


@pytest.mark.parametrize("mask", [np.ones((8, 8), np.uint8), np.ones((8, 9), bool), np.ones(64, bool)])
def test_not_a_mask(mask):
    with pytest.raises(ConfigError, match="bool"):
        Region("dog", "", mask)


@pytest.mark.parametrize("name", ["x" * 10_001, "\ud800"])
def test_invalid_text_raises(name):
    with pytest.raises(InputError):
        encode_regions([Region(name, "", mask_of(BLOB))])
