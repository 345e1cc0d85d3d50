"""Interpolated Kneser-Ney trigrams (Kneser and Ney 1995; Chen and Goodman 1998, modified) in integers.

The tables hold counts, and discounts per order in units of 1/256. All probabilities follow by exact integer arithmetic,
so they are the same on every machine. Symbols are 0 to size - 1: the end, an escape, then words or letters.
`Trigrams.start` is the symbol before the first one.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

END, ESCAPE, FIRST = 0, 1, 2
ONE: Final = 1 << 30
"""Probability 1. Products with totals stay below 2^63: see TOTAL_MAX."""
UNIT: Final = 256
TOTAL_MAX: Final = 1 << 32
CACHED: Final = 64
"""Cached distributions: a receiver encodes again what it decoded, and then needs the same ones."""


class Trigrams:
    """The distribution of the next symbol after every history.

    Tables, each ``PREFIX.NAME``: ``discounts`` ``[3, 4]`` int64 (order, count 0 to 3 and above); ``count1`` ``[size]``;
    ``start2`` ``[size + 2]``, the range of each symbol's (and last the start's) successors in ``next2``, ``count2``
    ``[pairs]``; ``start3`` ``[pairs + 1]``, the range of each pair's successors in ``next3``, ``count3`` ``[triples]``.

    Raises:
        ValueError: the tables contradict each other, or are not for ``size`` symbols.
        KeyError: one is missing.
    """

    def __init__(self, tables: Mapping[str, NDArray[np.integer]], prefix: str, size: int) -> None:
        names = ("discounts", "count1", "start2", "next2", "count2", "start3", "next3", "count3")
        discounts, count1, *rest = (tables[f"{prefix}.{name}"].astype(np.int64) for name in names)
        self._start2, self._next2, self._count2, self._start3, self._next3, self._count3 = rest
        self._discounts = discounts
        self.size = self.start = size
        if not self._is_consistent(count1):
            raise ValueError(f"the tables of every {prefix} contradict each other")
        self._first = self._refine(np.full(size, ONE // size), 0, np.arange(size), count1)
        self._cached_weights = functools.lru_cache(maxsize=CACHED)(self._weights)

    def weights(self, history: Sequence[int]) -> NDArray[np.int64]:
        """Return the weights ``[size]`` of the next symbol after ``history``: positive, with a sum of about 2^30.

        The history of the first symbol is ``[start]``. Only the last two entries matter. The array is read-only.
        """
        return self._cached_weights(*history[-2:])

    def _weights(self, *history: int) -> NDArray[np.int64]:
        weights, last = self._first, history[-1]
        begin, end = self._start2[last : last + 2]
        if begin < end:
            weights = self._refine(weights, 1, self._next2[begin:end], self._count2[begin:end])
        if len(history) > 1:
            pair = self._pair(history[0], last)
            begin, end = (0, 0) if pair is None else self._start3[pair : pair + 2]
            if begin < end:
                weights = self._refine(weights, 2, self._next3[begin:end], self._count3[begin:end])
        weights = weights + 1
        weights.flags.writeable = False
        return weights

    def _pair(self, first: int, second: int) -> int | None:
        begin, end = self._start2[first : first + 2]
        place = int(begin + np.searchsorted(self._next2[begin:end], second))
        return place if place < end and self._next2[place] == second else None

    def _refine(
        self, lower: NDArray[np.int64], order: int, members: NDArray[np.int64], counts: NDArray[np.int64]
    ) -> NDArray[np.int64]:
        """Return ``lower``, the distribution after a shorter history, refined by the counts after the longer one."""
        kept = np.maximum(UNIT * counts - self._discounts[order][np.minimum(counts, 3)], 0)
        total = UNIT * int(counts.sum())
        refined: NDArray[np.int64] = lower * (total - int(kept.sum())) // total
        refined[members] += kept * ONE // total
        return refined

    def _is_consistent(self, count1: NDArray[np.int64]) -> bool:
        pairs, triples = len(self._next2), len(self._next3)
        return bool(
            self.size > 1
            and self._discounts.shape == (3, 4)
            and self._discounts.min() >= 0
            and self._discounts.max() <= 3 * UNIT
            and _ranges(self._start2, self.size + 1, pairs)
            and _ranges(self._start3, pairs, triples)
            and _counts(count1, self.size)
            and _counts(self._count2, pairs)
            and _counts(self._count3, triples)
            and _symbols(self._next2, self.size)
            and _symbols(self._next3, self.size)
        )


def _ranges(starts: NDArray[np.int64], groups: int, end: int) -> bool:
    rising = starts.shape == (groups + 1,) and starts[0] == 0 and starts[-1] == end
    return bool(rising and (np.diff(starts) >= 0).all())


def _counts(counts: NDArray[np.int64], length: int) -> bool:
    return bool(counts.shape == (length,) and counts.min() >= 1 and UNIT * int(counts.sum()) <= TOTAL_MAX)


def _symbols(symbols: NDArray[np.int64], size: int) -> bool:
    return bool(symbols.ndim == 1 and symbols.min() >= 0 and symbols.max() < size)
