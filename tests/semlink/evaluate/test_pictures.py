"""Budgets and lists of pictures as users write them."""

from __future__ import annotations

import contextlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from semlink.evaluate.pictures import (
    Budget,
    OriginalReader,
    VvcBudgets,
    describe_notes,
    find_pictures,
    parse_budgets,
)
from shared.errors import ConfigError, InputError
from shared.imaging.levels import FULL, Levels
from shared.picture import encode_png


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


def test_what_is_read_of_a_folder(tmp_path):
    pixels = np.random.default_rng(1).integers(0, 255, (64, 70, 3), np.uint8)
    for name in ("a.png", "b.png", "caf\udce9.png"):
        (tmp_path / name).write_bytes(encode_png(pixels if name != "caf\udce9.png" else pixels[::-1]))
    (tmp_path / "._a.png").write_bytes(b"left by macOS")
    (tmp_path / "c.png").write_bytes(b"no picture")
    Image.fromarray(pixels).convert("CMYK").save(tmp_path / "d.tif")
    Image.fromarray(pixels[:, ::-1]).convert("CMYK").save(tmp_path / "e.tif")
    reader = OriginalReader()
    names = [one.name.rpartition("-")[0] for one in reader.read(find_pictures([tmp_path]))]
    assert names == ["a", r"caf\xe9", "d", "e"]
    assert list(reader.unreadable) == [str(tmp_path / "c.png")]
    assert describe_notes(reader.notes) == [
        "b.png: same content as a.png, which counts once",
        "d.tif, e.tif: CMYK to RGB",
    ]


def test_other_levels_make_another_picture_of_the_same_file(tmp_path):
    (tmp_path / "a.png").write_bytes(encode_png(np.arange(64 * 64, dtype=np.uint8).reshape(64, 64)))
    (full,), (dark,) = ([*OriginalReader(one).read([tmp_path / "a.png"])] for one in (FULL, Levels("auto")))
    assert full.digest != dark.digest


def test_a_long_name_is_cut_between_characters(tmp_path):
    file = tmp_path / f"{'夏' * 80}.png"
    file.write_bytes(encode_png(np.zeros((64, 64, 3), np.uint8)))
    (original,) = OriginalReader().read([file])
    assert original.name == f"{'夏' * 50}-{original.digest[:6]}"
