"""Splits a caption into words and a style, and restores the text from them.

Captions of data sets are tokenised (``Two dogs , wet .``); people write sentences (``Two dogs, wet.``). With the style
coded separately, both have the same words and the same cost. Only ASCII letters count as capital letters, because
versions of Unicode differ on others.
"""

from __future__ import annotations

from string import ascii_uppercase
from typing import Final, NamedTuple


class Style(NamedTuple):
    """How words are written: first letter capital, spaces before punctuation, a full stop at the end."""

    capital: bool
    spaced: bool
    stop: bool

    @property
    def number(self) -> int:
        """Return the style's number in the stream, 0 to 7."""
        return 4 * self.capital + 2 * self.spaced + self.stop


STYLES: Final = tuple(Style(bool(number & 4), bool(number & 2), bool(number & 1)) for number in range(8))
SENTENCE: Final = Style(capital=True, spaced=False, stop=True)
PLAIN: Final = Style(capital=False, spaced=True, stop=False)
"""This style splits at spaces only, so it can write every text."""


def parse(text: str) -> tuple[Style, list[str]]:
    """Return style and words of ``text`` (not empty). `render` restores the text from them."""
    spaced = " ," in text or text.endswith(" .")
    body = text.removesuffix(" ." if spaced else ".")
    style = Style(text[0] in ascii_uppercase, spaced, body != text)
    if style.capital:
        body = body[:1].lower() + body[1:]
    words = body.split(" ")
    if not spaced:
        words = [part for word in words for part in _split_comma(word)]
    return (style, words) if render(style, words) == text else (PLAIN, text.split(" "))


def render(style: Style, words: list[str]) -> str:
    """Return the text of ``words`` (at least one) in ``style``."""
    text = " ".join(words) if style.spaced else "".join(_add_spaces(words))
    if style.capital:
        text = text[:1].upper() + text[1:]
    if style.stop:
        text += " ." if style.spaced else "."
    return text


def _split_comma(word: str) -> list[str]:
    return [word[:-1], ","] if len(word) > 1 and word.endswith(",") else [word]


def _add_spaces(words: list[str]) -> list[str]:
    return [word if place == 0 or word == "," else f" {word}" for place, word in enumerate(words)]
