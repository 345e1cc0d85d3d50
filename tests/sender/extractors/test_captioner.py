"""The captioner with the shipped weights: any picture, repeatability, the search, damaged weights."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import skimage.data
import torch

from sender.extractors.caption_network import MAX_WORDS, START, VOCABULARY, CaptionNetwork
from sender.extractors.captioner import Captioner, Search, best_captions, caption_network
from sender.extractors.features import FEATURE_CHANNELS, PLACES, FeatureExtractor
from shared.caption.coder import caption_coder, decode_caption, encode_caption
from shared.caption.ngram import END, ESCAPE
from shared.errors import PictureError, SetupError

SHIPPED = Path(__file__).parents[3] / "models" / "caption" / "captioner.safetensors"


@pytest.fixture(scope="module")
def captioner():
    return Captioner()


@pytest.fixture(scope="module")
def network():
    return caption_network()


@pytest.fixture(scope="module")
def features():
    return FeatureExtractor()(skimage.data.chelsea())[None]


@pytest.mark.parametrize("shape", [(300, 451, 3), (1, 1, 3), (64, 700), (2000, 90, 3)])
def test_any_picture_gets_a_sentence_that_costs_little(captioner, shape):
    pixels = np.resize(skimage.data.chelsea(), shape)
    caption = captioner(pixels)
    assert caption.endswith(".")
    assert caption[0].isupper()
    assert len(caption.split()) <= MAX_WORDS
    assert decode_caption(encode_caption(caption)) == caption
    assert len(encode_caption(caption)) <= 20


def test_same_picture_gets_the_same_words(captioner):
    assert captioner(skimage.data.coffee()) == Captioner()(skimage.data.coffee())


def test_different_pictures_get_different_words(captioner):
    pictures = skimage.data.astronaut(), skimage.data.chelsea(), skimage.data.rocket()
    assert len({captioner(pixels) for pixels in pictures}) > 1


@pytest.mark.parametrize("pixels", [np.zeros((8, 8, 4), np.uint8), np.zeros((8, 8)), np.zeros((0, 8, 3), np.uint8)])
def test_other_arrays_raise_a_picture_error(captioner, pixels):
    with pytest.raises(PictureError, match="must be uint8"):
        captioner(pixels)


def test_grey_becomes_three_equal_channels():
    extractor = FeatureExtractor()
    grey = skimage.data.camera()
    features = extractor(grey)
    assert features.shape == (PLACES, FEATURE_CHANNELS)
    assert torch.equal(features, extractor(np.repeat(grey[..., None], 3, axis=2)))


def test_candidates_are_different_and_sorted(network, features):
    found = best_captions(network, features, Search(beams=5))
    assert [len({candidate.symbols for candidate in found}), len(found)] == [5, 5]
    assert [candidate.score for candidate in found] == sorted((candidate.score for candidate in found), reverse=True)


def test_scores_are_those_of_the_network(network, features):
    best = best_captions(network, features, Search(beams=2, length_power=0.5))
    assert best[0].score >= best[1].score
    symbols = [START, *best[0].symbols, END]
    logits = network(network.picture_keys(features), torch.tensor([[symbols[:-1]]]))[0, 0].double().log_softmax(-1)
    bits = sum(float(row[symbol]) for row, symbol in zip(logits, symbols[1:], strict=True)) / np.log(2)
    assert best[0].score == pytest.approx(bits / (len(symbols) - 1) ** 0.5, rel=1e-4)


def test_a_price_on_bits_makes_captions_cheaper(network, features):
    dear, cheap = (best_captions(network, features, Search(bit_price=price))[0].text for price in (0.0, 3.0))
    assert caption_coder().bits(cheap) <= caption_coder().bits(dear)


def test_captions_hold_words_only(network):
    noise = torch.randn(1, PLACES, FEATURE_CHANNELS, generator=torch.Generator().manual_seed(1)).abs()
    for candidate in best_captions(network, noise, Search(beams=4)):
        assert 1 <= len(candidate.symbols) <= MAX_WORDS
        assert not {END, ESCAPE, START} & set(candidate.symbols)


def test_a_later_word_changes_nothing_before_it(network, features):
    seen = network.picture_keys(features)
    first, second = (network(seen, torch.tensor([[[START, 5, 9, last]]])) for last in (3, 77))
    assert torch.allclose(first[:, :, :3], second[:, :, :3], atol=1e-5)
    assert not torch.allclose(first[:, :, 3], second[:, :, 3], atol=1e-2)


def test_the_vocabulary_is_that_of_the_caption_coder():
    assert len(caption_coder().words) + 2 >= VOCABULARY


def test_missing_weights_name_the_fix(tmp_path):
    with pytest.raises(SetupError, match=r"training/README\.md"):
        Captioner(tmp_path / "nothing.safetensors")


DAMAGES = {
    "missing": lambda t: t.pop("words"),
    "other shape": lambda t: t.update({"places": t["places"][:5].contiguous()}),
    "not finite": lambda t: t["words"].__setitem__((0, 0), float("nan")),
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES.keys())
def test_damaged_weights_are_refused(tmp_path, damage):
    tensors = safetensors.torch.load_file(SHIPPED)
    damage(tensors)
    safetensors.torch.save_file(tensors, tmp_path / "captioner.safetensors")
    with pytest.raises(SetupError, match="damaged"):
        caption_network(tmp_path / "captioner.safetensors")


def test_truncated_weights_are_refused(tmp_path):
    (tmp_path / "captioner.safetensors").write_bytes(SHIPPED.read_bytes()[:3000])
    with pytest.raises(SetupError, match="damaged"):
        caption_network(tmp_path / "captioner.safetensors")


def test_an_untrained_network_also_ends(features):
    torch.manual_seed(0)
    best = best_captions(CaptionNetwork().eval(), features, Search(beams=2))
    assert len(best) == 2
