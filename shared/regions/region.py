"""One region of a picture: name, detail and mask."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from shared.errors import ConfigError

if TYPE_CHECKING:
    from numpy.typing import NDArray

REGIONS_MAX: Final = 3
NAME_WORDS_MAX, DETAIL_WORDS_MAX = 3, 10
"""Limits from "Multimodal Image Semantic Compression" (MISC)."""
MASK_SIDE: Final = 8


@dataclass(frozen=True, eq=False)
class Region:
    """``name`` of at most three words, ``detail`` of at most ten, ``mask`` bool ``[8, 8]``, rows from the top.

    Single spaces separate words. Name and detail may be empty, the mask may be all false, and masks of several regions
    may overlap. The stream codes all of this exactly.

    Raises:
        ConfigError: too many words, or another type or shape of mask.
    """

    name: str
    detail: str
    mask: NDArray[np.bool_]

    def __post_init__(self) -> None:
        for field, text, most in (("name", self.name, NAME_WORDS_MAX), ("detail", self.detail, DETAIL_WORDS_MAX)):
            count = len(split_words(text))
            if count > most:
                raise ConfigError(f"a region's {field} of {count} words ({text[:40]!r}): at most {most}; shorten it")
        if self.mask.dtype != np.bool_ or self.mask.shape != (MASK_SIDE, MASK_SIDE):
            raise ConfigError(f"a region's mask of {self.mask.dtype} {list(self.mask.shape)}: must be bool [8, 8]")


def split_words(text: str) -> list[str]:
    """Split ``text`` at single spaces, so that ``" ".join`` restores it; [] for the empty text."""
    return text.split(" ") if text else []
