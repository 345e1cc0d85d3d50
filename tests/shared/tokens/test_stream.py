"""The TOKENS payload: exact inverses, golden bytes, damage."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from vector_quantize_pytorch import FSQ

from shared.errors import BitstreamError, ConfigError
from shared.tokens.stream import CODES, QUANTISER_LEVELS, TokenKind, Tokens, decode_tokens, encode_tokens

ANY_TOKENS = st.builds(
    Tokens, st.sampled_from(TokenKind), st.lists(st.integers(0, CODES - 1), min_size=8, max_size=64).map(tuple)
)
GOLDEN = json.loads(Path(__file__).with_name("golden.json").read_text())


@pytest.mark.parametrize("case", GOLDEN, ids=range(len(GOLDEN)))
def test_golden_payload(case):
    tokens = Tokens(TokenKind[case["kind"]], tuple(case["codes"]))
    assert encode_tokens(tokens).hex() == case["payload"]
    assert decode_tokens(bytes.fromhex(case["payload"])) == tokens


@given(ANY_TOKENS)
def test_decoding_restores_any_tokens(tokens):
    assert decode_tokens(encode_tokens(tokens)) == tokens


@given(st.binary(max_size=80))
def test_any_bytes_are_tokens_that_encode_to_them_or_an_error(payload):
    try:
        tokens = decode_tokens(payload)
    except BitstreamError:
        return
    assert encode_tokens(tokens) == payload


@given(ANY_TOKENS, st.data())
def test_a_payload_cut_short_or_lengthened_is_never_the_same_tokens(tokens, data):
    payload = encode_tokens(tokens)
    other = data.draw(st.one_of(st.just(payload + b"\0"), st.integers(0, len(payload) - 1).map(lambda n: payload[:n])))
    try:
        assert decode_tokens(other) != tokens
    except BitstreamError:
        assert other != payload


@pytest.mark.parametrize("count", [0, 7, 65])
def test_too_few_or_too_many_tokens_are_refused(count):
    with pytest.raises(ConfigError, match=f"{count} tokens: give 8 to 64"):
        Tokens(TokenKind.SPW, (0,) * count)


@pytest.mark.parametrize("code", [-1, CODES])
def test_a_code_out_of_range_is_refused(code):
    with pytest.raises(ConfigError, match=f"token code {code}: codes are 0 to 63"):
        Tokens(TokenKind.RSRT, (0,) * 7 + (code,))


def test_numbers_are_those_of_the_training_library():
    fsq = FSQ(levels=list(QUANTISER_LEVELS))
    numbers = Tokens(TokenKind.SPW, tuple(range(CODES))).numbers()
    assert np.array_equal(numbers, fsq.indices_to_codes(torch.arange(CODES)).numpy())
