"""BLEU (Papineni et al. 2002) and CIDEr-D (Vedantam et al. 2015) of captions against several references each.

As in the COCO caption evaluation: words in lower case without punctuation, BLEU over the whole set with the reference
of the nearest length, CIDEr-D with document frequencies of the references, sigma 6, ten times the mean.
"""

from __future__ import annotations

import math
from collections import Counter
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

    Grams = Counter[tuple[str, ...]]

ORDERS: Final = (1, 2, 3, 4)
SIGMA: Final = 6.0
PUNCTUATION: Final = ".,;:!?\"'`()[]-"


def split_words(caption: str) -> list[str]:
    """Return the words that are compared: lower case, without punctuation at their ends."""
    stripped = (word.strip(PUNCTUATION) for word in caption.lower().split())
    return [word for word in stripped if word]


def bleu(captions: Sequence[str], references: Sequence[Sequence[str]], order: int = 4) -> float:
    """Return corpus BLEU up to ``order``, 0 to 1."""
    matched, proposed = [0] * order, [0] * order
    length = reference_length = 0
    for caption, alternatives in zip(captions, references, strict=True):
        words, others = split_words(caption), [split_words(other) for other in alternatives]
        length += len(words)
        reference_length += min((abs(len(other) - len(words)), len(other)) for other in others)[1]
        for n in range(1, order + 1):
            grams = _count_grams(words, n)
            most: Grams = Counter()
            for other in others:
                most |= _count_grams(other, n)
            matched[n - 1] += (grams & most).total()
            proposed[n - 1] += grams.total()
    if not all(matched):
        return 0.0
    precision = math.exp(sum(math.log(m / p) for m, p in zip(matched, proposed, strict=True)) / order)
    return precision * min(1.0, math.exp(1 - reference_length / length))


def cider(captions: Sequence[str], references: Sequence[Sequence[str]]) -> float:
    """Return mean CIDEr-D, 0 to 10; papers print it times 100 / 10 or 100."""
    others = [[split_words(other) for other in alternatives] for alternatives in references]
    pictures_with: Grams = Counter()
    for alternatives in others:
        pictures_with.update({gram for words in alternatives for n in ORDERS for gram in _count_grams(words, n)})
    total = 0.0
    for caption, alternatives in zip(captions, others, strict=True):
        words = split_words(caption)
        for n in ORDERS:
            own = _weigh(words, n, pictures_with, len(references))
            for other in alternatives:
                likeness = _clipped_cosine(own, _weigh(other, n, pictures_with, len(references)))
                closeness = math.exp(-((len(words) - len(other)) ** 2) / (2 * SIGMA**2))
                total += likeness * closeness / len(alternatives)
    return 10 * total / len(ORDERS) / len(captions)


def _count_grams(words: Sequence[str], n: int) -> Grams:
    return Counter(tuple(words[place : place + n]) for place in range(len(words) - n + 1))


def _weigh(words: Sequence[str], n: int, pictures_with: Grams, pictures: int) -> dict[tuple[str, ...], float]:
    """Return term frequency times inverse document frequency of each n-gram."""
    return {
        gram: count * math.log(pictures / max(1, pictures_with[gram])) for gram, count in _count_grams(words, n).items()
    }


def _clipped_cosine(own: dict[tuple[str, ...], float], other: dict[tuple[str, ...], float]) -> float:
    lengths = math.hypot(*own.values()) * math.hypot(*other.values())
    product = sum(min(weight, other[gram]) * other[gram] for gram, weight in own.items() if gram in other)
    return product / lengths if lengths else 0.0
