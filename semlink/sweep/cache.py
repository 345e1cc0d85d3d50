"""A cache of results that tasks share."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Any, Final, TypeVar

from shared.errors import BudgetError

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

T = TypeVar("T")

CACHED_RESULTS: Final = 256


class ResultCache:
    """The most recently used results by key, at most ``size`` of them."""

    def __init__(self, size: int = CACHED_RESULTS) -> None:
        self._size = size
        self._results: OrderedDict[Hashable, Any] = OrderedDict()

    def get(self, key: Hashable, compute: Callable[[], T]) -> T:
        """Return the cached result of ``key``, or compute and cache it. A ``BudgetError`` is a result too.

        Raises:
            BudgetError: ``compute`` raised it, now or earlier.
        """
        if key not in self._results:
            try:
                self._results[key] = compute()
            except BudgetError as error:
                self._results[key] = error
            if len(self._results) > self._size:
                self._results.popitem(last=False)
        self._results.move_to_end(key)
        result: Any = self._results[key]
        if isinstance(result, BudgetError):
            raise result
        return result  # type: ignore[no-any-return]
