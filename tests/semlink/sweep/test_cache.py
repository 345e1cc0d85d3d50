"""The cache of a worker."""

import pytest

from semlink.sweep.cache import ResultCache
from shared.errors import BudgetError


class Counter:
    """Counts how often it computes."""

    def __init__(self, error=None):
        self.calls = 0
        self._error = error

    def __call__(self):
        self.calls += 1
        if self._error:
            raise self._error
        return self.calls


def test_a_result_is_computed_once():
    cache, compute = ResultCache(), Counter()
    assert [cache.get("a", compute), cache.get("a", compute)] == [1, 1]
    assert cache.get("b", compute) == 2


def test_a_budget_error_is_cached_too():
    cache, compute = ResultCache(), Counter(BudgetError("too few bytes"))
    for _ in range(2):
        with pytest.raises(BudgetError, match="too few"):
            cache.get("a", compute)
    assert compute.calls == 1


def test_the_least_recently_used_result_leaves_a_full_cache():
    cache, compute = ResultCache(2), Counter()
    for key in ("a", "b", "a", "c"):
        cache.get(key, compute)
    assert compute.calls == 3
    assert cache.get("a", compute) == 1
    assert cache.get("b", compute) == 4
