"""Counts of training captions as the caption coder's tables."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from shared.caption.ngram import END, ESCAPE, FIRST, UNIT
from shared.caption.text import parse

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    Tables = dict[str, NDArray[np.integer]]
    Counts = Mapping[tuple[int, ...], int]

WORD_TIMES: Final = 2
"""Least number of times that a word of the vocabulary occurs in the captions; rarer words are counted as escapes."""
LETTER_WORDS: Final = 20
"""Least number of different words that a letter of the alphabet occurs in."""
FOREIGN: Final = [[ESCAPE] * 6] * 20
"""Words of another script, none of which is in the captions: from them, foreign letters follow each other."""


def write_tables(captions: Iterable[str], path: Path) -> None:
    """Count ``captions`` and write the tables to ``path`` (npz)."""
    sentences = [parse(caption)[1] for caption in captions if caption]
    times = Counter(word for sentence in sentences for word in sentence)
    words = [word for word, count in times.most_common() if count >= WORD_TIMES and word and "\n" not in word]
    spread = Counter(letter for word in times for letter in set(word))
    letters = sorted(letter for letter, count in spread.items() if count >= LETTER_WORDS)
    tables: dict[str, Any] = {
        "words": np.frombuffer("\n".join(words).encode(), np.uint8),
        "letters": np.frombuffer("".join(letters).encode(), np.uint8),
        **count_trigrams(_symbols(sentences, words), FIRST + len(words), "word"),
        **count_trigrams([*_symbols(times, letters), *FOREIGN], FIRST + len(letters), "letter"),
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(path, **tables)


def _symbols(sequences: Iterable[Sequence[str]], known: Sequence[str]) -> list[list[int]]:
    numbers = {item: symbol for symbol, item in enumerate(known, FIRST)}
    return [[numbers.get(item, ESCAPE) for item in sequence] for sequence in sequences]


def count_trigrams(sequences: Iterable[Sequence[int]], size: int, prefix: str) -> Tables:
    """Return the tables of `shared.caption.ngram.Trigrams` for ``sequences`` of symbols below ``size``."""
    third: Counter[tuple[int, ...]] = Counter()
    begun: Counter[tuple[int, ...]] = Counter()
    for sequence in sequences:
        whole = (size, *sequence, END)
        begun[whole[:2]] += 1
        third.update(zip(whole, whole[1:], whole[2:], strict=False))
    # Kneser-Ney: a shorter history counts the different symbols before it, not how often; before the start is nothing.
    second = Counter(triple[1:] for triple in third) + begun
    first = Counter(pair[1:] for pair in second)
    first.update((symbol,) for symbol in range(size) if (symbol,) not in first)
    pairs, triples = sorted(second), sorted(third)
    place = {pair: index for index, pair in enumerate(pairs)}
    tables = {
        "discounts": np.array([_discounts(counts) for counts in (first, second, third)], np.int16),
        "count1": np.array([first[symbol,] for symbol in range(size)], np.uint16),
        "start2": _starts([pair[0] for pair in pairs], size + 1),
        "next2": np.array([pair[1] for pair in pairs], np.uint16),
        "count2": np.array([min(second[pair], 0xFFFF) for pair in pairs], np.uint16),
        "start3": _starts([place[triple[:2]] for triple in triples], len(pairs)),
        "next3": np.array([triple[2] for triple in triples], np.uint16),
        "count3": np.array([min(third[triple], 0xFFFF) for triple in triples], np.uint16),
    }
    return {f"{prefix}.{name}": table for name, table in tables.items()}


def _starts(groups: list[int], count: int) -> NDArray[np.integer]:
    """Return ``[count + 1]``: where each group begins in the sorted list ``groups`` of their numbers."""
    return np.concatenate([[0], np.cumsum(np.bincount(groups, minlength=count))]).astype(np.uint32)


def _discounts(counts: Counts) -> list[int]:
    """Return what is taken from counts of 0 to 3 and above, in 1/256 (Chen and Goodman 1998, equation 26)."""
    times = Counter(counts.values())
    n1, n2, n3, n4 = (max(times[count], 1) for count in (1, 2, 3, 4))
    share = n1 / (n1 + 2 * n2)
    exact = [0, 1 - 2 * share * n2 / n1, 2 - 3 * share * n3 / n2, 3 - 4 * share * n4 / n3]
    return [round(UNIT * min(max(value, 0), count)) for count, value in enumerate(exact)]
