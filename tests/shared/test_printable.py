"""Names from outside show on one line, in UTF-8."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import InputError
from shared.printable import cut_bytes, printable, short_name


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("夏 photo [b].png", "夏 photo [b].png"),
        ("caf\udce9.png", r"caf\xe9.png"),
        ("a\nb\x1b[2J\u202egnp.exe", r"a\nb\x1b[2J\u202egnp.exe"),
        ("\ud800", r"\ud800"),
    ],
)
def test_what_would_break_a_line_or_an_encoding_is_escaped(text, shown):
    assert printable(text) == shown
    assert str(InputError(f"cannot read {text}")) == f"cannot read {shown}"


@given(st.text(st.characters(), max_size=50))
def test_any_text_becomes_one_line_of_utf8(text):
    shown = printable(text)
    assert len(shown.encode().splitlines()) <= 1
    assert printable(shown) == shown


@given(st.text(st.characters(), max_size=80), st.integers(12, 60))
def test_a_short_name_fits_a_file_system(text, most):
    name = short_name(text, most)
    assert len(name.encode()) <= most
    assert "/" not in name
    assert short_name(text + "x" * 80, most) != short_name(text + "x" * 79 + "y", most)


@given(st.text(max_size=40), st.integers(0, 60))
def test_a_cut_name_is_a_beginning_that_fits(text, most):
    cut = cut_bytes(text, most)
    assert text.startswith(cut)
    assert len(cut.encode()) <= most < len(text[: len(cut) + 1].encode()) or cut == text
