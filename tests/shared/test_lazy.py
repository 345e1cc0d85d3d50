"""Objects that load at their first use."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from shared.lazy import Lazy


def test_concurrent_threads_get_the_same_object():
    made = []

    def make() -> object:
        made.append(object())
        return made[-1]

    lazy = Lazy(make)
    assert not made
    with ThreadPoolExecutor(8) as pool:
        got = list(pool.map(lambda _: lazy(), range(32)))
    assert len(made) == 1
    assert all(one is made[0] for one in got)


def test_a_failed_load_raises_and_the_next_call_tries_again():
    outcomes = iter([ValueError("not yet"), None])

    def make() -> str:
        if (error := next(outcomes)) is not None:
            raise error
        return "there"

    lazy = Lazy(make)
    with pytest.raises(ValueError, match="not yet"):
        lazy()
    assert lazy() == "there"
