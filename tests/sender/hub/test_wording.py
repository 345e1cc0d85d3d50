"""Answers of captioners as words that keep a number of bytes."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sender.hub.wording import fit_regions, parse_items, shorten, to_detail, to_name, to_sentence
from shared.caption.coder import decode_caption, encode_caption
from shared.regions.coder import encode_regions
from shared.regions.region import DETAIL_WORDS_MAX, NAME_WORDS_MAX, REGIONS_MAX, Region

ANSWER = "The image shows a red car on a street. It is parked near a tree; the sky is blue.\n"
SAID = ["a", "dog", "cat", "with", "red", "on", "the", "zyx,", "house.", "and", "Étoile", "2"]
WORDS = st.lists(st.sampled_from(SAID), max_size=40).map(" ".join)
MASK = np.eye(8, dtype=bool)


def test_an_answer_becomes_one_sentence():
    assert to_sentence(ANSWER) == "A red car on a street, it is parked near a tree, the sky is blue."
    assert to_sentence("In this picture, there is a USA flag!") == "There is a USA flag."
    assert to_sentence(" \n ") == ""


def test_a_cut_sentence_ends_at_a_word_that_can_end_it():
    sentence = "A white dog with a ball on the grass near a house."
    cut = [shorten(sentence, max_bytes) for max_bytes in range(len(encode_caption(sentence)) + 1)]
    assert cut[-1] == sentence
    assert cut[0] == ""
    assert {"A white dog.", "A white dog with a ball."} <= set(cut)
    assert not any(one.endswith((" with.", " a.", " on.", " the.", " near.")) for one in cut)


@settings(max_examples=50, deadline=None)
@given(answer=st.one_of(st.text(max_size=300), WORDS), max_bytes=st.integers(0, 60))
def test_no_caption_takes_more_than_its_bytes(answer, max_bytes):
    payload = encode_caption(shorten(to_sentence(answer), max_bytes))
    assert len(payload) <= max_bytes
    assert encode_caption(decode_caption(payload)) == payload


@given(st.text(max_size=200))
def test_names_and_details_keep_their_words(text):
    assert len(to_name(text).split()) <= NAME_WORDS_MAX
    assert len(to_detail(text).split()) <= DETAIL_WORDS_MAX
    items = parse_items(text)
    assert len(items) <= REGIONS_MAX
    for name, detail in items:
        Region(name, detail, MASK)


@pytest.mark.parametrize(
    "answer",
    [
        "1. Red car: shiny and new, on the left\n2. A tree: tall.\n- sky: blue",
        "red car: shiny and new, on the left\n\n* tree: tall\nRed Car: again\nsky: blue\nroad: grey",
    ],
)
def test_items_are_read_from_lines(answer):
    assert parse_items(answer) == (("red car", "shiny and new on the left"), ("tree", "tall"), ("sky", "blue"))


def test_regions_lose_details_before_names():
    regions = [Region(name, "shiny and new on the left", MASK) for name in ("red car", "tree", "blue sky")]
    sizes = range(len(encode_regions(regions)), -1, -1)
    fitted = [fit_regions(regions, max_bytes) for max_bytes in sizes]
    assert all(len(encode_regions(one)) <= size for one, size in zip(fitted, sizes, strict=True))
    shapes = list(dict.fromkeys((len(one), sum(bool(region.detail) for region in one)) for one in fitted))
    assert shapes == [(3, 3), (3, 2), (3, 1), (3, 0), (2, 0), (1, 0), (0, 0)]
    assert {one[0].name for one in fitted if one} == {"red car"}
