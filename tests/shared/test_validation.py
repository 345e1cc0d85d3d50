from __future__ import annotations

import pytest
from pydantic import BaseModel, Field

from shared.errors import ConfigError
from shared.validation import checked


class Inner(BaseModel):
    size: int = Field(gt=0)


class Outer(BaseModel):
    inner: Inner
    name: str = "x"


def test_good_values_make_the_model():
    assert checked(Outer, {"inner": {"size": 3}}) == Outer(inner=Inner(size=3))


def test_nested_field_is_named_by_its_path():
    with pytest.raises(ConfigError, match=r"^inner\.size = 0: input should be greater than 0$"):
        checked(Outer, {"inner": {"size": 0}})


def test_further_faults_are_counted():
    with pytest.raises(ConfigError, match=r"\(and 1 more\)$"):
        checked(Outer, {"inner": {"size": 0}, "name": 1})


def test_long_and_broken_values_stay_on_one_short_line():
    with pytest.raises(ConfigError) as caught:
        checked(Outer, {"inner": "no\n" * 10_000})
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 200
