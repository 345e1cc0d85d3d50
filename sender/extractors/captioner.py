"""The captioner: writes one English sentence about a picture, in words that take few bytes."""

from __future__ import annotations

import heapq
import math
from dataclasses import dataclass
from importlib import resources
from typing import TYPE_CHECKING, Final

import numpy as np
import torch

from sender.extractors.caption_network import MAX_WORDS, START, VOCABULARY, CaptionNetwork
from sender.extractors.features import FeatureExtractor
from shared.caption.coder import caption_coder
from shared.caption.ngram import END, ESCAPE, FIRST
from shared.caption.text import SENTENCE, render
from shared.weights import load_weights

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray
    from torch import Tensor

    from sender.extractors.caption_network import PictureKeys

HINT: Final = "install the package again, or train them (training/README.md)"


@dataclass(frozen=True)
class Search:
    """Beam search. A caption's score is (log-likelihood - ``bit_price`` x bits on the wire) / words ^ ``length_power``.

    Likelihoods and bits both count in bits.
    """

    beams: int = 3
    bit_price: float = 0.0
    length_power: float = 0.7


@dataclass(frozen=True)
class Candidate:
    """A caption in the search: the coder's symbols and their score, a plain sum until the caption ends."""

    symbols: tuple[int, ...]
    score: float

    @property
    def text(self) -> str:
        """Return the caption as a sentence."""
        words = caption_coder().words
        return render(SENTENCE, [words[symbol - FIRST] for symbol in self.symbols])


class Captioner:
    """Captions pictures; the same picture gets the same caption on the same machine."""

    def __init__(self, weights: Path | None = None, search: Search | None = None) -> None:
        """Load the shipped weights, or the safetensors file ``weights``.

        Raises:
            SetupError: weights or a package are missing or damaged.
        """
        self._features, self._network, self._search = FeatureExtractor(), caption_network(weights), search or Search()

    def __call__(self, pixels: NDArray[np.uint8]) -> str:
        """Return a sentence about ``pixels``, uint8 ``[H, W, 3]`` RGB or ``[H, W]`` grey, of any size.

        Raises:
            PictureError: another kind of array.
        """
        return best_captions(self._network, self._features(pixels)[None], self._search)[0].text


def caption_network(weights: Path | None = None) -> CaptionNetwork:
    """Return the network with the shipped weights, or those of the safetensors file ``weights``.

    Raises:
        SetupError: they are missing or damaged.
    """
    path = weights or resources.files("models") / "caption" / "captioner.safetensors"
    with torch.device("meta"):  # draws no random numbers for weights that are replaced anyway
        network = CaptionNetwork()
    return load_weights(network, path, "the captioner", HINT)


@torch.inference_mode()
def best_captions(network: CaptionNetwork, features: Tensor, search: Search) -> list[Candidate]:
    """Return the best captions of one picture's ``features`` ``[1, 64, 1280]``, best first, at most ``beams``."""
    picture_keys = network.picture_keys(features)
    begun = [Candidate((), 0.0)]
    finished: list[Candidate] = []
    for length in range(MAX_WORDS + 1):
        scores = _gains(network, picture_keys, [beam.symbols for beam in begun], search)
        scores += np.array([[beam.score] for beam in begun])
        if length:
            ends = scores[:, END] / (length + 1) ** search.length_power
            finished += [Candidate(beam.symbols, float(score)) for beam, score in zip(begun, ends, strict=True)]
            finished = heapq.nlargest(search.beams, finished, key=lambda candidate: candidate.score)
        scores[:, END] = -math.inf
        likeliest = np.argsort(-scores, axis=None, kind="stable")[: search.beams]
        begun = [_extend(begun, int(place), scores) for place in likeliest]
        # A longer caption has a lower sum, and divides it by at most the power of the longest caption.
        at_best = begun[0].score / (MAX_WORDS + 1) ** search.length_power
        if len(finished) == search.beams and finished[-1].score >= at_best:
            break
    return finished


def _extend(begun: list[Candidate], place: int, scores: NDArray[np.float64]) -> Candidate:
    beam, symbol = divmod(place, VOCABULARY)
    return Candidate((*begun[beam].symbols, symbol), float(scores[beam, symbol]))


def _gains(
    network: CaptionNetwork, picture_keys: PictureKeys, begun: list[tuple[int, ...]], search: Search
) -> NDArray[np.float64]:
    """Return ``[beams, VOCABULARY]``: the change of each beginning's score by each next symbol, in bits."""
    symbols = torch.tensor([[[START, *beginning] for beginning in begun]])
    logits = network.next_logits(picture_keys, symbols)[0].double()
    gains: NDArray[np.float64] = (logits.log_softmax(-1) / math.log(2)).numpy()
    if search.bit_price:
        coder = caption_coder()
        weights = np.stack([coder.next_weights(beginning) for beginning in begun])
        gains += search.bit_price * np.log2(weights[:, :VOCABULARY] / weights.sum(1, keepdims=True))
    gains[:, ESCAPE] = -math.inf
    return gains
