"""Codec names and budgets as users write them."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from semlink.evaluate.pictures import Budget, VvcRates, budgets_in, picture_files
from semlink.pipeline.coding_spec import link_spec, names_in
from shared.errors import ConfigError, InputError, LinkError, UnknownNameError
from shared.streams import StreamKind


def test_commas_separate_names_and_the_options_within_one():
    names = names_in("hci, hci@pocket:steps=4,fidelity=0,avif,hci@hci")
    assert names == ["hci", "hci@pocket:steps=4,fidelity=0", "avif", "hci@hci"]


def test_a_name_says_codec_decoder_and_options():
    spec = link_spec("hci-av1@pocket:steps=4,fidelity=0.5,seed=7,drop=HCI+CAPTION")
    assert (spec.codec, spec.decoder, spec.steps, spec.fidelity, spec.seed) == ("hci-av1", "pocket", 4, 0.5, 7)
    assert spec.dropped == (StreamKind.HCI, StreamKind.CAPTION)
    plain = link_spec("hci")
    assert (plain.decoder, plain.steps, plain.fidelity, plain.dropped) == ("", None, None, ())
    assert link_spec("hci@hci:drop=HCI").dropped == (StreamKind.HCI,)


@pytest.mark.parametrize(
    ("name", "error", "told"),
    [
        ("hcj", UnknownNameError, "unknown codec 'hcj'; known are jpeg2000"),
        ("hci@magic", UnknownNameError, r"unknown decoder 'magic' .*; known are pocket, hci, real-esrgan"),
        ("hci@", UnknownNameError, "unknown decoder ''"),
        ("hci@pocket:stepz=4", ConfigError, "unknown option 'stepz=4'"),
        ("hci@pocket:steps=9", ConfigError, "steps = 9"),
        ("hci@pocket:steps=many", ConfigError, "whole numbers"),
        ("hci@pocket:fidelity=2", ConfigError, "fidelity = 2"),
        ("hci@pocket:seed=-1", ConfigError, "seed -1"),
        ("hci@hci:steps=4", ConfigError, "decoder hci knows no steps; leave it out, or use @pocket"),
        ("hci@real-esrgan:fidelity=1", ConfigError, "decoder real-esrgan knows no fidelity"),
        ("hci@pocket:drop=PIXELS", ConfigError, "no stream 'PIXELS'"),
    ],
)
def test_what_no_name_is_refused_with_the_way_out(name, error, told):
    with pytest.raises(error, match=told):
        link_spec(name)


@pytest.mark.parametrize("text", ["", " , ", "avif,avif"])
def test_no_codec_or_one_twice_is_refused(text):
    with pytest.raises(ConfigError):
        names_in(text)


@given(st.text(max_size=40))
def test_any_text_is_a_codec_list_or_refused(text):
    with contextlib.suppress(LinkError):
        for name in names_in(text):
            link_spec(name)


def test_budgets_are_bytes_or_bits_per_pixel():
    assert budgets_in("800, 0.02bpp,800") == [Budget("800", bytes=800), Budget("0.02bpp", bpp=0.02)]
    assert budgets_in("vvc") == VvcRates()
    assert budgets_in("q52,q50") == VvcRates(("q52", "q50"))


@pytest.mark.parametrize("text", ["", "many", "0", "-5", "1.5", "nanbpp", "infbpp", "800,vvc", "1e3", "99999999"])
def test_other_budgets_are_refused(text):
    with pytest.raises(ConfigError, match="--bytes"):
        budgets_in(text)


@given(st.text(max_size=20))
def test_any_text_is_a_budget_list_or_refused(text):
    with contextlib.suppress(ConfigError):
        budgets = budgets_in(text)
        assert isinstance(budgets, VvcRates) or all(budget.bytes > 0 or budget.bpp > 0 for budget in budgets)


def test_folders_give_their_pictures_in_order_and_each_once(tmp_path, picture_png):
    for name in ("b.png", "a.JPG", "notes.txt"):
        (tmp_path / name).write_bytes(picture_png)
    found = picture_files([tmp_path, tmp_path / "b.png"])
    assert [file.name for file in found] == ["a.JPG", "b.png"]
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="no picture in the folder"):
        picture_files([tmp_path / "empty"])
    with pytest.raises(InputError, match="no file or folder"):
        picture_files([tmp_path / "gone.png"])
