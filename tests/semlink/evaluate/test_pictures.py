"""Budgets and lists of pictures as users write them."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from semlink.evaluate.pictures import Budget, VvcBudgets, find_pictures, parse_budgets
from shared.errors import ConfigError, InputError


def test_budgets_are_bytes_or_bits_per_pixel():
    assert parse_budgets("800, 0.02bpp,800") == [Budget("800", bytes=800), Budget("0.02bpp", bpp=0.02)]
    assert parse_budgets("vvc") == VvcBudgets()
    assert parse_budgets("q52,q50") == VvcBudgets(("q52", "q50"))


@pytest.mark.parametrize("text", ["", "many", "0", "-5", "1.5", "nanbpp", "infbpp", "800,vvc", "1e3", "99999999"])
def test_other_budgets_are_refused(text):
    with pytest.raises(ConfigError, match="--bytes"):
        parse_budgets(text)


@given(st.text(max_size=20))
def test_any_text_is_a_budget_list_or_refused(text):
    with contextlib.suppress(ConfigError):
        budgets = parse_budgets(text)
        assert isinstance(budgets, VvcBudgets) or all(budget.bytes > 0 or budget.bpp > 0 for budget in budgets)


def test_folders_give_their_pictures_in_order_and_each_once(tmp_path, picture_png):
    for name in ("b.png", "a.JPG", "notes.txt"):
        (tmp_path / name).write_bytes(picture_png)
    found = find_pictures([tmp_path, tmp_path / "b.png"])
    assert [file.name for file in found] == ["a.JPG", "b.png"]
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="no picture in the folder"):
        find_pictures([tmp_path / "empty"])
    with pytest.raises(InputError, match="no file or folder"):
        find_pictures([tmp_path / "gone.png"])
