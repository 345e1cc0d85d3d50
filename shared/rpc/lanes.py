"""Worker threads for heavy work, and one for small work, which does not wait for the heavy."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Final, ParamSpec, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

P = ParamSpec("P")
T = TypeVar("T")

SMALL_WORK: Final = 1 << 19
"""Most work of a small task, in pixels × (1 + steps of the decoder): 512 × 512 pixels with one step."""

HEAVY_WORK: Final = SMALL_WORK + 1
"""Work of a task that is never small."""


class Lanes:
    """Runs heavy tasks in ``heavy_workers`` threads, and small ones in one more."""

    def __init__(self, heavy_workers: int, name: str) -> None:
        self._heavy = ThreadPoolExecutor(heavy_workers, thread_name_prefix=name)
        self._small = ThreadPoolExecutor(1, thread_name_prefix=f"{name}-small")

    def waiting(self) -> int:
        """Return the number of tasks that wait for a thread."""
        return sum(lane._work_queue.qsize() for lane in (self._heavy, self._small))  # noqa: SLF001 - no public queue

    async def run(self, work: int, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Return what ``function`` returns; ``work`` is its estimated work as of ``SMALL_WORK``."""
        lane = self._small if work <= SMALL_WORK else self._heavy
        return await asyncio.get_running_loop().run_in_executor(lane, lambda: function(*args, **kwargs))
