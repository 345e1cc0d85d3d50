"""What captioners are asked. The questions are those of MISC (names, details, overall) and GSC (overall).

MISC (Li et al. 2024) asks a large multimodal model for three names, a detail of each, and a description of the whole
picture, in this order. GSC (Chen et al. 2025) asks for the description alone.
"""

from __future__ import annotations

from typing import Final

from shared.regions.region import DETAIL_WORDS_MAX, NAME_WORDS_MAX, REGIONS_MAX

LEAST_WORDS, MOST_WORDS = 6, 60
"""Words that a description is asked for; CLIP's text encoder reads about sixty."""
WORDS_PER_BYTE: Final = 1.0
"""Words of common English that the caption coder writes into a byte, so many are asked for at least."""
TOKENS_PER_WORD: Final = 2
NUMBER_WORDS: Final = {1: "one", 2: "two", 3: "three"}

ITEMS: Final = (
    f"Name the {NUMBER_WORDS[REGIONS_MAX]} most important objects or areas in this picture, the most important first. "
    f"Write one line for each: its name of at most {NAME_WORDS_MAX} words, a colon, and its colour, texture, shape and "
    f"place in at most {DETAIL_WORDS_MAX} words. Write nothing else."
)


def overall(words: int) -> str:
    """Return the question for a description of the whole picture in at most ``words`` words."""
    return (
        f"Describe this picture in one sentence of at most {words} words: the main objects, their colours, where they "
        "are, and the background. Begin with the main object and use plain words."
    )


def words_within(max_bytes: int) -> int:
    """Return how many words to ask for, where the caption's payload may have ``max_bytes``."""
    return min(max(LEAST_WORDS, int(WORDS_PER_BYTE * max_bytes)), MOST_WORDS)


def tokens_for(words: int) -> int:
    """Return the most tokens that a captioner writes for ``words`` words."""
    return TOKENS_PER_WORD * words + 4
