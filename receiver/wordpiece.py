"""WordPiece of uncased BERT (Devlin et al. 2019): text as numbers of word pieces."""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

LONGEST_WORD: Final = 100
CJK: Final = ((0x4E00, 0x9FFF), (0x3400, 0x4DBF), (0x20000, 0x2CEAF), (0xF900, 0xFAFF), (0x2F800, 0x2FA1F))
"""Ideographs stand alone, as words of one letter."""


class WordPiece:
    """The pieces of a vocabulary, by their lines."""

    def __init__(self, vocabulary: Sequence[str]) -> None:
        self._numbers = {piece: number for number, piece in enumerate(vocabulary)}
        self.start, self.end, self._unknown = (self._numbers[name] for name in ("[CLS]", "[SEP]", "[UNK]"))

    def numbers(self, text: str) -> list[int]:
        """Return the pieces of ``text``, without start and end; a word that cannot be put together is one unknown."""
        return [number for word in _words(text) for number in self._pieces(word)]

    def _pieces(self, word: str) -> list[int]:
        if len(word) > LONGEST_WORD:
            return [self._unknown]
        pieces: list[int] = []
        place = 0
        while place < len(word):
            prefix = "##" if place else ""
            ends = (end for end in range(len(word), place, -1) if prefix + word[place:end] in self._numbers)
            end = next(ends, None)
            if end is None:
                return [self._unknown]
            pieces.append(self._numbers[prefix + word[place:end]])
            place = end
        return pieces


def _words(text: str) -> Iterator[str]:
    """Yield words in lower case without accents; punctuation and ideographs are words of their own."""
    spaced = "".join(f" {letter} " if _is_ideograph(letter) else letter for letter in _cleaned(text))
    bare = (letter for letter in unicodedata.normalize("NFD", spaced) if unicodedata.category(letter) != "Mn")
    for word in "".join(bare).lower().split():
        begun = ""
        for letter in word:
            if not _is_punctuation(letter):
                begun += letter
                continue
            if begun:
                yield begun
            yield letter
            begun = ""
        if begun:
            yield begun


def _cleaned(text: str) -> Iterator[str]:
    """Yield the letters without control characters, any white space as a space."""
    for letter in text:
        if letter in "\t\n\r" or unicodedata.category(letter) == "Zs":
            yield " "
        elif letter != "\ufffd" and unicodedata.category(letter) not in {"Cc", "Cf", "Co", "Cs"}:
            yield letter


def _is_ideograph(letter: str) -> bool:
    return any(first <= ord(letter) <= last for first, last in CJK)


def _is_punctuation(letter: str) -> bool:
    return unicodedata.category(letter).startswith("P") or letter in "$+<=>^`|~"
