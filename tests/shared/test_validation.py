from __future__ import annotations

import pytest
from pydantic import BaseModel, ConfigDict, Field

from shared.errors import ConfigError
from shared.validation import validate


class Inner(BaseModel):
    size: int = Field(gt=0)


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")

    width_m: float = 1.0
    depth_m: float = Field(alias="DEPTH", default=1.0)


class Outer(BaseModel):
    model_config = ConfigDict(extra="forbid")

    inner: Inner
    name: str = "x"
    maybe: Strict | None = None
    many: list[Strict] = []


def test_good_values_make_the_model():
    assert validate(Outer, {"inner": {"size": 3}}) == Outer(inner=Inner(size=3))


def test_nested_field_is_named_by_its_path():
    with pytest.raises(ConfigError, match=r"^inner\.size = 0: input should be greater than 0$"):
        validate(Outer, {"inner": {"size": 0}})


def test_further_faults_are_counted():
    with pytest.raises(ConfigError, match=r"\(and 1 more\)$"):
        validate(Outer, {"inner": {"size": 0}, "name": 1})


def test_long_and_broken_values_stay_on_one_short_line():
    with pytest.raises(ConfigError) as caught:
        validate(Outer, {"inner": "no\n" * 10_000})
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize(
    ("values", "hint"),
    [
        ({"iner": {"size": 1}}, r"^iner = {'size': 1}: unknown setting; did you mean inner\? \(and 1 more\)$"),
        ({"inner": {"size": 1}, "zzz": 1}, r"^zzz = 1: unknown setting; known are inner, many, maybe, name$"),
        ({"inner": {"size": 1}, "maybe": {"width": 1}}, r"^maybe.width = 1: .* did you mean maybe.width_m\?$"),
        ({"inner": {"size": 1}, "many": [{"depth": 1}]}, r"^many.0.depth = 1: .* did you mean many.0.width_m\?$"),
        ({}, r"^inner is missing: give it a value$"),
        ({"inner": 3}, r"^inner = 3: must be a mapping of named settings$"),
    ],
)
def test_a_typo_gets_a_suggestion(values, hint):
    with pytest.raises(ConfigError, match=hint):
        validate(Outer, values)
