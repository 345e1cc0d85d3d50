"""Settings as YAML: any text gives a value or a one-line error, and scalars have the right types."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.errors import ConfigError
from shared.yaml_text import MAX_CHARS, yaml_mapping, yaml_text, yaml_value

scalars = st.none() | st.booleans() | st.integers(-(10**30), 10**30) | st.floats(allow_nan=False) | st.text(max_size=30)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e6", 1e6),
        ("-.5", -0.5),
        ("1.", 1.0),
        ("010", 10),
        ("0x10", "0x10"),
        ("12:30", "12:30"),
        ("2026-03-01", "2026-03-01"),
        ("no", "no"),
        ("on", "on"),
        ("True", True),
        ("~", None),
        ("", None),
        (".inf", math.inf),
        ("-.INF", -math.inf),
        ("nan", "nan"),
        ("'1'", "1"),
        ("[1, {a: b}]", [1, {"a": "b"}]),
    ],
)
def test_scalars_are_those_of_the_core_schema(text, value):
    assert yaml_value(text, "x") == value
    assert type(yaml_value(text, "x")) is type(value)


def test_not_a_number_is_a_number():
    assert math.isnan(yaml_value(".NaN", "x"))
    assert yaml_text(math.nan) == ".nan"


@settings(deadline=None, max_examples=100)
@given(values)
def test_written_values_read_back(value):
    assert yaml_value(yaml_text(value), "x") == value


@settings(deadline=None, max_examples=100)
@given(st.text(st.sampled_from("ab:-[]{},&*!|>?'\"# \n1.~%\t\x00é"), max_size=60) | st.text(max_size=60))
def test_any_text_is_a_mapping_or_one_line(text):
    try:
        outcome = yaml_mapping(text, "the file")
    except ConfigError as error:
        outcome = str(error)
    assert isinstance(outcome, dict) or (outcome.startswith("the file") and "\n" not in outcome)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a: 1\na: 2", "line 2 .*key 'a' appears twice"),
        ("1: 2", "key 1 is not a name"),
        ("a: &x [1]\nb: *x", "line 2 .*aliases"),
        ("a: !!python/object/apply:os.system [x]", "tag"),
        ("a: !!timestamp x", "tag"),
        ("[" * 500, "nested deeper than 20"),
        ("a: b: c", "mapping values"),
        ("a: [1", "line 1"),
        ("- 1", "not a mapping"),
        ("x" * (MAX_CHARS + 1), "at most 65536"),
        ("a: 1\n---\nb: 2", "another document"),
    ],
)
def test_invalid_text_raises(text, words):
    with pytest.raises(ConfigError, match=words):
        yaml_mapping(text, "x")


def test_a_document_cannot_grow_beyond_its_text():
    laughs = "\n".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9) if n else '1'}]" for n in range(9))
    with pytest.raises(ConfigError, match="aliases"):
        yaml_mapping(laughs, "x")
