"""The range coder's shortest bytes: exact, as short as possible, and fast."""

from __future__ import annotations

import time

import constriction
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.range_coding import _most_trailing_zeros, shortest_bytes, to_words

MODEL = constriction.stream.model.Categorical(np.array([1.0, 7.0, 250.0, 3.0, 65000.0]), perfect=False, lazy=False)


def decoded(payload, count):
    try:
        return constriction.stream.queue.RangeDecoder(to_words(payload)).decode(MODEL, count).tolist()
    except AssertionError:  # no encoder writes these bytes
        return None


def coded(symbols):
    encoder = constriction.stream.queue.RangeEncoder()
    encoder.encode(np.array(symbols, np.int32), MODEL)
    return shortest_bytes(encoder)


@given(symbols=st.lists(st.integers(0, 4), max_size=60))
@settings(deadline=None, max_examples=200)
def test_decoding_restores_the_symbols_and_one_byte_less_does_not(symbols):
    payload = coded(symbols)
    assert decoded(payload, len(symbols)) == symbols
    if payload:
        assert payload[-1] != 0
        assert decoded(payload[:-1], len(symbols)) != symbols


@given(first=st.integers(1, 5000), count=st.integers(1, 600))
def test_the_number_with_most_trailing_zeros(first, count):
    zeros = max((number & -number).bit_length() - 1 for number in range(first, first + count))
    assert _most_trailing_zeros(first, first + count) == zeros


def test_no_symbols_give_no_bytes():
    assert coded([]) == b""


def test_a_megabyte_takes_no_longer_than_reading_it():
    encoder = constriction.stream.queue.RangeEncoder()
    uniform = constriction.stream.model.Uniform(256)
    encoder.encode(np.random.default_rng(0).integers(0, 256, 1_000_000).astype(np.int32), uniform)
    started_s = time.process_time()
    assert abs(len(shortest_bytes(encoder)) - 1_000_000) < 10
    assert time.process_time() - started_s < 5
