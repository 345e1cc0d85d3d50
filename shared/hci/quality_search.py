"""Finds the highest quality of an HCI coder whose payload keeps a byte budget, with few encodings."""

from __future__ import annotations

import math
from functools import cache
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

DOUBLINGS: Final = 6
"""From its lowest to its highest quality, a coder's payload doubles about this many times."""
FULL_SHARE: Final = 0.985
"""A payload of this share of the budget ends the search: the next quality usually takes 5 to 10 % more bytes."""
TOLERANCE: Final = 1.04
"""Once a payload fits, a quality is also tried whose predicted size is above the budget by up to this factor."""
ENOUGH: Final = 3
ENOUGH_SHARE: Final = 0.95
"""After ``ENOUGH`` payloads this share of the budget ends the search: further ones gain little."""
MOST_STEPS: Final = 6
"""Most drafts to guess a quality; fewer where they settle."""
NEIGHBOURS: Final = 3
"""Qualities above and below a guess of which drafts predict the sizes."""


def find_highest_within(qualities: range, max_bytes: int, encode: Callable[[int], bytes]) -> bytes:
    """Return the payload of the highest quality that keeps ``max_bytes``; that of the lowest quality if none does.

    Steps by the rule that sizes grow exponentially bracket the budget, and bisection follows.
    """
    low, high, guess = -1, len(qualities), len(qualities) // 3
    best = payload = b""
    reach = 1
    while high - low > 1:
        payload = encode(qualities[guess])
        if len(payload) <= max_bytes:
            low, best = guess, payload
        else:
            high = guess
        step = _steps_to(max_bytes, len(payload), qualities)
        guess += math.floor(min(step, -reach) if high == guess else max(step, reach))
        reach *= 2
        guess = guess if low < guess < high else (low + high) // 2
    return best if low >= 0 else payload


def find_by_drafts(
    qualities: range,
    max_bytes: int,
    draft_bytes: Callable[[int], int],
    encode: Callable[[int], bytes],
    usual_ratio: float = 1.0,
) -> int:
    """Return the highest quality found whose payload keeps ``max_bytes``; the lowest quality if none does.

    ``draft_bytes`` returns the size of a quick encoding. A real payload takes about ``usual_ratio`` times as many
    bytes, which gives the first quality. The ratio at the last real payload predicts the real sizes of the qualities
    nearby, so that two or three calls of ``encode`` are usually enough.
    """
    draft = cache(draft_bytes)
    sizes: dict[int, int] = {}
    quality: int | None = _guess(qualities, max_bytes / usual_ratio, draft, len(qualities) // 3)
    while quality is not None:
        sizes[quality] = len(encode(quality))
        share = FULL_SHARE if len(sizes) < ENOUGH else ENOUGH_SHARE
        if any(share * max_bytes <= size <= max_bytes for size in sizes.values()):
            break
        quality = _next_quality(qualities, max_bytes, draft, sizes, quality)
    return max((one for one, size in sizes.items() if size <= max_bytes), default=qualities[0])


def _guess(qualities: range, max_bytes: float, draft: Callable[[int], int], start: int) -> int:
    """Return the quality at which a draft takes about ``max_bytes``: sizes grow exponentially with quality."""
    guess = start
    for _ in range(MOST_STEPS):
        step = round(_steps_to(max_bytes, draft(qualities[guess]), qualities))
        nearest = min(max(guess + step, 0), len(qualities) - 1)
        if nearest == guess:
            break
        guess = nearest
    return qualities[guess]


def _next_quality(
    qualities: range, max_bytes: int, draft: Callable[[int], int], sizes: dict[int, int], last: int
) -> int | None:
    """Return the quality to encode next, or None if none is better than what fits already."""
    ratio = sizes[last] / draft(last)
    best = max((one for one, size in sizes.items() if size <= max_bytes), default=None)
    middle = qualities.index(_guess(qualities, max_bytes / ratio, draft, qualities.index(last)))
    near = qualities[max(0, middle - NEIGHBOURS) : middle + NEIGHBOURS + 1]
    untried = [one for one in near if one not in sizes and (best is None or one > best)]
    allowed_bytes = max_bytes * (1 if best is None else TOLERANCE)
    highest = next((one for one in reversed(untried) if draft(one) * ratio <= allowed_bytes), None)
    if highest is not None:
        return highest
    if best is not None or qualities[0] in sizes:
        return None
    return qualities[max(0, qualities.index(min(*near, *sizes)) - 1)]


def _steps_to(max_bytes: float, size: int, qualities: range) -> float:
    """Return how many qualities lie between a payload of ``size`` bytes and the budget."""
    return len(qualities) / DOUBLINGS * math.log2(max(max_bytes, 1) / size)
