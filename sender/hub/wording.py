"""Turns a captioner's answer into words that cost few bytes: one sentence, and names with details."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from shared.caption.coder import MAX_CHARACTERS, encode_caption
from shared.regions.coder import encode_regions
from shared.regions.region import DETAIL_WORDS_MAX, NAME_WORDS_MAX, REGIONS_MAX, Region

if TYPE_CHECKING:
    from collections.abc import Sequence

OPENING: Final = re.compile(
    r"^(?:in )?(?:the|this|there is an?|an?) (?:image|picture|photo|photograph|scene)\b"
    r"(?: is(?: of| showing)?| shows?| depicts?| features?| captures?| of|,)*\s+",
    re.IGNORECASE,
)
"""Words at the start of an answer that say nothing about this picture."""
ITEM: Final = re.compile(r"^[\s\d.)*#•-]*(?P<name>[^:]+):(?P<detail>.*)$")
"""One line of an answer: a number or bullet, a name, a colon, a detail."""
LOOSE_ENDS: Final = frozenset(
    (
        *("a", "an", "and", "are", "as", "at", "behind", "below", "beside", "between", "by", "for", "from", "has"),
        *("her", "his", "in", "into", "is", "its", "near", "of", "on", "or", "over", "the", "their", "through", "to"),
        *("under", "which", "while", "with"),
    )
)
"""Words that cannot end a sentence which was cut."""
UNWRITTEN: Final = re.compile(r"[*_`\"“”<>\[\]{}|#]|�|[\x00-\x1f\x7f]")


def to_sentence(answer: str) -> str:
    """Return ``answer`` as one sentence: its sentences joined by commas, without an opening such as "The image shows".

    The caption coder's vocabulary is words in lower case and commas; a full stop inside a caption would be spelled out.
    """
    text = OPENING.sub("", " ".join(UNWRITTEN.sub(" ", answer).split()))[:MAX_CHARACTERS]
    parts = [part.strip(" .,;:!?") for part in re.split(r"[.;:!?]+(?:\s+|$)", text)]
    joined = ", ".join(_lower_first(part) for part in parts if part)
    joined = re.sub(r"\s+,", ",", re.sub(r"\s+", " ", joined))
    return f"{joined[:1].upper()}{joined[1:]}." if joined else ""


def shorten(sentence: str, max_bytes: int) -> str:
    """Return the longest beginning of ``sentence`` whose payload by the caption coder has at most ``max_bytes``.

    It ends at a word, and not at one such as "with". "" if not even one word fits.
    """
    if len(encode_caption(sentence)) <= max_bytes:
        return sentence
    words = sentence.rstrip(".").split(" ")
    fewest, most = 0, len(words)  # words[:fewest] fit, and words[:most] do not
    while most - fewest > 1:
        middle = (fewest + most) // 2
        fits = len(encode_caption(_end(words[:middle]))) <= max_bytes
        fewest, most = (middle, most) if fits else (fewest, middle)
    for count in range(fewest, 0, -1):  # without its loose ends a shorter text may take a byte more
        text = _end(words[:count])
        if text and len(encode_caption(text)) <= max_bytes:
            return text
    return ""


def _end(words: Sequence[str]) -> str:
    kept = list(words)
    while kept and kept[-1].strip(",").lower() in LOOSE_ENDS:
        kept.pop()
    return f"{' '.join(kept).rstrip(', ')}." if kept else ""


def to_name(text: str) -> str:
    """Return ``text`` as the name of an object: at most three words, in lower case, without an article."""
    words = _plain_words(text)
    return " ".join((words[1:] if len(words) > 1 and words[0] in ("a", "an", "the") else words)[:NAME_WORDS_MAX])


def to_detail(text: str) -> str:
    """Return ``text`` as the detail of an object: at most ten words, in lower case."""
    words = _plain_words(text)[:DETAIL_WORDS_MAX]
    while words and words[-1] in LOOSE_ENDS:
        words.pop()
    return " ".join(words)


def parse_items(answer: str) -> tuple[tuple[str, str], ...]:
    """Return up to three names and details from lines such as ``1. red car: shiny, on the left``; () if there are none.

    A name that comes twice is taken once.
    """
    found: dict[str, str] = {}
    for line in answer.splitlines():
        match = ITEM.match(line)
        name = to_name(match["name"]) if match else ""
        if match and name:
            found.setdefault(name, to_detail(match["detail"]))
    return tuple(found.items())[:REGIONS_MAX]


def fit_regions(regions: Sequence[Region], max_bytes: int) -> tuple[Region, ...]:
    """Return as much of ``regions`` as a payload of at most ``max_bytes`` holds; () if not even one fits.

    Details are left out first, that of the last region before the others, then the last regions.
    """
    kept = list(regions)
    while kept and len(encode_regions(kept)) > max_bytes:
        detailed = [place for place, one in enumerate(kept) if one.detail]
        if detailed:
            kept[detailed[-1]] = Region(kept[detailed[-1]].name, "", kept[detailed[-1]].mask)
        else:
            kept.pop()
    return tuple(kept)


def _plain_words(text: str) -> list[str]:
    return re.sub(r"[^\w' -]", " ", UNWRITTEN.sub(" ", text), flags=re.ASCII).lower().replace("_", " ").split()


def _lower_first(text: str) -> str:
    """Return ``text`` with a small first letter, unless its first word is in capitals."""
    first = text.split(" ", 1)[0]
    return text if len(first) > 1 and first.isupper() else text[:1].lower() + text[1:]
