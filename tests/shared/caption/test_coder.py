"""The caption coder with the shipped tables: exact for any text, typed errors for any bytes, few bytes."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from shared.caption.coder import MAX_CHARACTERS, CaptionCoder, caption_coder, decode_caption, encode_caption
from shared.caption.text import PLAIN, STYLES, parse, render
from shared.errors import BitstreamError, InputError, SetupError

GOLDEN = json.loads((Path(__file__).parent / "golden.json").read_text())
SHIPPED = Path(__file__).parents[3] / "models" / "caption" / "language.npz"
# What UTF-8 can write: everything but surrogates.
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)
CAPTION_LIKE = st.lists(
    st.sampled_from(["a", "A", "dog", "dogs,", ",", ".", "runs", "", "frisbee", "zyzzyva", "läuft"]), max_size=12
)


@pytest.mark.parametrize("case", GOLDEN, ids=lambda case: case["text"][:16])
def test_golden_payload(case):
    assert decode_caption(bytes.fromhex(case["payload"])) == case["text"]
    assert encode_caption(case["text"]).hex() == case["payload"]


@given(text=TEXT)
@settings(deadline=None, max_examples=150)
@example(text="ß.")
@example(text="İ")
@example(text=" .")
@example(text=",")
@example(text="A")
@example(text="\x85\u2028")
def test_decoding_restores_any_text(text):
    assert decode_caption(encode_caption(text)) == text


@given(words=CAPTION_LIKE, style=st.sampled_from(STYLES))
@settings(deadline=None, max_examples=150)
def test_decoding_restores_any_arrangement_of_words(words, style):
    for text in (" ".join(words), render(style, words)):
        assert decode_caption(encode_caption(text)) == text


@given(data=st.binary(max_size=40))
@settings(deadline=None, max_examples=300)
def test_any_bytes_give_a_text_or_a_typed_error(data):
    try:
        text = decode_caption(data)
    except BitstreamError:
        return
    assert encode_caption(text) == data


@given(text=TEXT.filter(bool), data=st.data())
@settings(deadline=None, max_examples=100)
def test_a_damaged_payload_gives_a_text_or_a_typed_error(text, data):
    payload = bytearray(encode_caption(text))
    payload[data.draw(st.integers(0, len(payload) - 1))] ^= data.draw(st.integers(1, 255))
    try:
        assert encode_caption(decode_caption(bytes(payload))) == bytes(payload)
    except BitstreamError as error:
        assert "damaged" in str(error)  # noqa: PT017 - either outcome is right


def test_bytes_added_or_cut_off_are_refused():
    payload = encode_caption("Two dogs play with a red ball in the snow.")
    for wrong in (payload + b"\0", payload + b"\1", payload + bytes(99)):
        with pytest.raises(BitstreamError, match="other bytes"):
            decode_caption(wrong)
    with pytest.raises(BitstreamError):
        decode_caption(payload[:-1])


@pytest.mark.parametrize("text", ["dog " * 2500, "x" * 10_000, "狗" * 10_000, " " * 10_000, "\U0010ffff " * 5000])
def test_decoding_restores_the_longest_captions(text):
    assert len(text) == MAX_CHARACTERS
    assert decode_caption(encode_caption(text)) == text


def test_longer_captions_are_refused():
    with pytest.raises(InputError, match="10001 characters: at most 10000"):
        encode_caption("x" * 10_001)


def test_half_a_surrogate_pair_is_refused():
    with pytest.raises(InputError, match="surrogate"):
        encode_caption("a \ud83d dog")


@pytest.mark.parametrize("byte", range(0, 256, 15))
def test_long_foreign_payloads_end_soon(byte):
    started_s = time.monotonic()
    with pytest.raises(BitstreamError):
        decode_caption(bytes([byte]) * 60_000)
    assert time.monotonic() - started_s < 30


def test_the_empty_caption_takes_no_bytes():
    assert encode_caption("") == b""
    assert decode_caption(b"") == ""


def test_words_of_the_vocabulary_cost_less_than_zlib_and_a_uniform_code():
    text = "A brown dog runs through the grass with a ball."
    words = 10
    coder = caption_coder()
    assert coder.bits(text) < words * np.log2(len(coder.words))
    assert len(encode_caption(text)) <= 12
    assert 8 * len(encode_caption(text)) <= coder.bits(text) + 16


def test_next_weights_are_what_a_word_costs():
    coder = caption_coder()
    man, runs = (2 + coder.words.index(word) for word in ("man", "runs"))
    after_man = coder.next_weights([man])
    assert after_man.min() > 0
    assert abs(after_man.sum() / 2**30 - 1) < 0.001
    assert after_man[runs] > 10 * coder.next_weights([])[runs]


@given(text=TEXT.filter(bool))
@settings(max_examples=200)
def test_style_and_words_restore_the_text(text):
    style, words = parse(text)
    assert render(style, words) == text
    assert render(PLAIN, text.split(" ")) == text


def test_styles_share_their_words():
    expected = ["two", "dogs", ",", "wet"]
    for text in ("Two dogs, wet.", "Two dogs , wet .", "two dogs, wet", "two dogs , wet", "Two dogs, wet"):
        assert parse(text)[1] == expected


def test_missing_tables_name_the_fix(tmp_path):
    with pytest.raises(SetupError, match=r"training/README\.md"):
        CaptionCoder(tmp_path / "nothing.npz")


@pytest.mark.parametrize("size", [0, 5, 1000, 200_000])
def test_truncated_tables_are_refused(tmp_path, size):
    path = tmp_path / "language.npz"
    path.write_bytes(SHIPPED.read_bytes()[:size])
    with pytest.raises(SetupError, match="damaged"):
        CaptionCoder(path)


DAMAGES = {
    "missing": lambda t: t.pop("word.count2"),
    "lost word": lambda t: t.update({"words": t["words"][t["words"].tolist().index(10) + 1 :]}),
    "zero count": lambda t: t["word.count1"].__setitem__(7, 0),
    "symbol out of range": lambda t: t["letter.next3"].__setitem__(0, 60_000),
    "falling ranges": lambda t: t["word.start3"].__setitem__(5, 10**6),
    "not UTF-8": lambda t: t["words"].__setitem__(3, 255),
    "discount": lambda t: t["word.discounts"].__setitem__((1, 1), -1),
    "two axes": lambda t: t.update({"word.next2": t["word.next2"][:, None]}),
    "none": lambda t: t.update({"letter.next3": t["letter.next3"][:0]}),
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES.keys())
def test_damaged_tables_are_refused(tmp_path, damage):
    with np.load(SHIPPED) as shipped:
        tables = dict(shipped)
    damage(tables)
    np.savez(tmp_path / "language.npz", **tables)
    with pytest.raises(SetupError, match="damaged"):
        CaptionCoder(tmp_path / "language.npz")


def test_an_array_instead_of_tables_is_refused(tmp_path):
    file = io.BytesIO()
    np.save(file, np.arange(3))
    (tmp_path / "language.npz").write_bytes(file.getvalue())
    with pytest.raises(SetupError, match="damaged"):
        CaptionCoder(tmp_path / "language.npz")


def test_coding_needs_no_torch():
    program = (
        "import sys; from shared.caption.coder import encode_caption; encode_caption('a dog'); print(*sys.modules)"
    )
    modules = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.split()
    assert "constriction" in modules
    assert "torch" not in modules
