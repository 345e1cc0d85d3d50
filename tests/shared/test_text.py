"""Text as vectors."""

import pytest
import torch

from shared.text import LONGEST, TEXT_WIDTH, TextEncoder

pytestmark = pytest.mark.filterwarnings("ignore")  # transformers' own


@pytest.fixture(scope="module")
def encoder():
    return TextEncoder()


def test_a_text_gives_one_vector_per_word_piece_whatever_came_before(encoder):
    first = encoder("a dog runs on the beach")
    encoder("something else")
    assert first.shape == (6, TEXT_WIDTH)
    assert torch.equal(first, encoder("a dog runs on the beach"))


def test_like_sentences_have_like_vectors(encoder):
    dog, puppy, rocket = (encoder.sentence(text) for text in ("a dog on sand", "a puppy on a beach", "a rocket engine"))
    assert torch.cosine_similarity(dog, puppy, 0) > torch.cosine_similarity(dog, rocket, 0) + 0.3


@pytest.mark.parametrize("text", ["", "  \n"])
def test_blank_text_has_no_vectors(encoder, text):
    assert encoder(text).shape == (0, TEXT_WIDTH)
    assert not encoder.sentence(text).any()


@pytest.mark.parametrize("text", ["word " * 5000, "海辺の犬", "\0\ud7ff😀"])
def test_long_and_foreign_text_is_bounded(encoder, text):
    assert 0 < len(encoder(text)) <= LONGEST
    assert torch.isfinite(encoder(text)).all()
