"""Caption tables from a handful of captions: the probabilities are those of modified Kneser-Ney, worked by hand."""

from __future__ import annotations

import numpy as np
import pytest

from shared.caption.coder import CaptionCoder
from shared.caption.ngram import ESCAPE, FIRST, ONE, Trigrams
from training.caption.tables import count_trigrams, write_tables

CAPTIONS = ["A dog runs.", "A dog sleeps.", "a dog runs", "Two dogs run .", "two dogs , both wet"] * 3


@pytest.fixture(scope="module")
def coder(tmp_path_factory):
    path = tmp_path_factory.mktemp("tables") / "language.npz"
    write_tables(CAPTIONS, path)
    return CaptionCoder(path)


def test_vocabulary_is_sorted_by_frequency(coder):
    assert coder.words[:2] == ("a", "dog")
    assert set(coder.words) == {"a", "dog", "runs", "sleeps", "two", "dogs", "run", ",", "both", "wet"}


@pytest.mark.parametrize("text", [*CAPTIONS[:5], "A cat runs.", "zebras", "!"])
def test_any_text_comes_back(coder, text):
    assert coder.decode(coder.encode(text)) == text


def test_what_was_seen_costs_less(coder):
    assert coder.bits("A dog runs.") < coder.bits("A dog dogs.") < coder.bits("A cat dogs.")


def test_probability_worked_by_hand():
    """Symbols END 0, ESCAPE 1, x 2, y 3, start S; sequences xx, xx, xy.

    Triples Sxx 2, Sxy 1, xx0 2, xy0 1: n1 2, n2 2, others taken as 1, share 2 / (2 + 4), discounts 1/3 and 3/2.
    Pairs by different symbols before them, Sx by how often: Sx 3, xx 1, xy 1, x0 1, y0 1: n1 4, others 1, share 4/6,
    discount of one 2/3. Single symbols likewise: END 2, ESCAPE 1 (never seen), x 2, y 1: discounts 1/3 and 3/2.
    """
    model = Trigrams(count_trigrams([[2, 2], [2, 2], [2, 3]], 4, "t"), "t", 4)
    y = (2 / 3) / 6 + (1 / 3 + 1 / 3 + 3 / 2 + 3 / 2) / 6 / 4
    y_after_x = (1 / 3) / 3 + (3 * 2 / 3) / 3 * y
    y_after_start_x = (2 / 3) / 3 + (1 / 3 + 3 / 2) / 3 * y_after_x
    assert model.weights([2])[3] / ONE == pytest.approx(y_after_x, abs=0.003)
    assert model.weights([model.start, 2])[3] / ONE == pytest.approx(y_after_start_x, abs=0.003)


def test_an_escape_is_expected_where_rare_words_stood(tmp_path):
    captions = [f"a rare{index} dog" for index in range(30)] + ["a dog"] * 3
    write_tables(captions, tmp_path / "language.npz")
    coder = CaptionCoder(tmp_path / "language.npz")
    after_a = coder.next_weights([FIRST + coder.words.index("a")])
    assert after_a[ESCAPE] == after_a.max()
    assert np.argmax(coder.next_weights([])) == FIRST + coder.words.index("a")
