"""Which streams a training crop has: each is missing from some crops, so that one network serves all subsets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from shared.latent.layout import CHANNEL_COUNTS
from shared.tokens.stream import MAX_TOKENS, MIN_TOKENS

if TYPE_CHECKING:
    from numpy.typing import NDArray

Start = Literal["restored", "sliced", "fallback", "layout"]
"""What the refiner starts from. ``restored``: the restored HCI (highly compressed image). ``sliced``: the same, but
slices were lost. ``fallback``: no HCI, restored from the fallback image of latent channels. ``layout``: no HCI and no
latent channels, the enlarged fallback image."""
START_SHARES: dict[Start, float] = {"restored": 7 / 12, "sliced": 1 / 4, "fallback": 1 / 8, "layout": 1 / 24}
"""The HCI is wholly absent from a sixth of the crops."""
CODES_KEPT, CODES_WHOLE = 0.75, 0.65
"""Share of the crops that have codes, and share of those that have all of them."""
LATENT_KEPT, BY_RULE = 0.35, 0.75
"""Share of the crops that have latent channels, and share of those whose channels are the sender's choice."""
CAPTION_KEPT, PSEUDO_WORDS_KEPT, REGIONS_KEPT = 0.6, 0.4, 0.5
PSEUDO_WORD_COUNTS = (MIN_TOKENS, 16, 32, MAX_TOKENS)


@dataclass(frozen=True)
class Words:
    """The streams that say what a picture shows: ``pseudo_words`` is their number."""

    caption: bool = False
    pseudo_words: int = 0
    regions: bool = False


@dataclass(frozen=True)
class Subset:
    """What a crop has. ``channels`` uint8 ``[32]`` is 1 for the latent channels that are there; None: none is.

    Where there is no HCI, channels and words are those that the fallback image was made of, not these.
    """

    start: Start = "restored"
    codes: bool = False
    channels: NDArray[np.uint8] | None = None
    words: Words = Words()


def draw_start(rng: np.random.Generator) -> Start:
    """Return what a crop starts from."""
    starts: tuple[Start, ...] = tuple(START_SHARES)
    return starts[int(rng.choice(len(starts), p=list(START_SHARES.values())))]


def draw_subset(rng: np.random.Generator, start: Start, rank: NDArray[np.uint8]) -> Subset:
    """Return the streams of a crop; ``rank`` as in ``draw_channels``."""
    channels = draw_channels(rng, rank) if rng.random() < LATENT_KEPT else None
    return Subset(start, bool(rng.random() < CODES_KEPT), channels, draw_words(rng))


def draw_words(rng: np.random.Generator) -> Words:
    """Return which words a crop has."""
    count = int(rng.choice(PSEUDO_WORD_COUNTS)) if rng.random() < PSEUDO_WORDS_KEPT else 0
    return Words(bool(rng.random() < CAPTION_KEPT), count, bool(rng.random() < REGIONS_KEPT))


def draw_channels(rng: np.random.Generator, rank: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return 1 for each latent channel that a crop has, ``[32]``: the sender's choice, or random ones.

    ``rank`` ``[32]`` is a channel's place in the sender's order, 0 for the first.
    """
    order = rank if rng.random() < BY_RULE else rng.permutation(len(rank))
    return first_channels(order, int(rng.choice(CHANNEL_COUNTS)))


def first_channels(rank: NDArray[np.integer[Any]], count: int) -> NDArray[np.uint8]:
    """Return 1 for the ``count`` channels that come first in ``rank`` ``[32]``."""
    chosen: NDArray[np.uint8] = (rank < count).astype(np.uint8)
    return chosen


def lose_codes(rng: np.random.Generator, codes: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return ``codes`` ``[h, w]``, of which some crops lack a slice: those on one side of a line are -1."""
    kept = codes.copy()
    if rng.random() < CODES_WHOLE:
        return kept
    axis = int(rng.integers(2))
    border = int(rng.integers(1, max(2, codes.shape[axis])))
    lost = slice(border, None) if rng.random() < 0.5 else slice(None, border)
    kept[lost if axis == 0 else (slice(None), lost)] = -1
    return kept


def lose_cells(rng: np.random.Generator, side: int) -> NDArray[np.bool_]:
    """Return ``[side, side]``, false where slices of an HCI at quarter size were lost; neither all nor none are.

    Slices are cells of a grid, 24 to 72 places a side: those of pictures of full size, of which a crop shows a part.
    """
    while True:
        height, width = (int(one) for one in rng.integers(24, 73, size=2))
        top, left = int(rng.integers(height)), int(rng.integers(width))
        rows, columns = (np.arange(side) + top) // height, (np.arange(side) + left) // width
        cells = rng.random((rows[-1] + 1, columns[-1] + 1)) < 0.5
        received: NDArray[np.bool_] = cells[np.ix_(rows, columns)]
        if received.any() and not received.all():
            return received
