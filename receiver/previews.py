"""Pictures rebuilt while packets still arrive."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, TypeVar

from shared.errors import LinkError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine, Sequence

    from receiver.rebuild import Rebuilt
    from shared.bitstream import Bitstream

    Rebuild = Callable[[Bitstream], Coroutine[None, None, Rebuilt]]

T = TypeVar("T")


class Previews:
    """One preview in the making at a time; of the bitstreams offered meanwhile only the newest waits.

    ``newest`` is the latest one made that is no draft, ``count`` the number of all those with a picture.

    Args:
        rebuild: makes a picture of a bitstream.
        drafts: make pictures of it that are there sooner, in the order in which they are shown before it.
    """

    def __init__(self, rebuild: Rebuild, drafts: Sequence[Rebuild] = ()) -> None:
        self._makers = (*drafts, rebuild)
        self._left: list[Rebuild] = []
        self._current: Bitstream | None = None
        self._making: asyncio.Task[Rebuilt] | None = None
        self._offered: Bitstream | None = None
        self._waiting: Bitstream | None = None
        self.newest: Rebuilt | None = None
        self.count = 0

    def offer(self, bitstream: Bitstream | None) -> None:
        """Have a preview made of ``bitstream``, if it is another than the one before."""
        if bitstream is not None and bitstream != self._offered:
            self._offered = self._waiting = bitstream

    async def while_reading(self, requests: AsyncIterator[T]) -> AsyncGenerator[T | Rebuilt, None]:
        """Yield ``requests`` and, as soon as each is made, the previews of what is offered meanwhile.

        Ends with the requests, after the preview that is then in the making; one that only waits is left out. So is
        one that fails: the picture itself is about to fail in the same way.
        """
        reading: asyncio.Task[T | None] | None = asyncio.create_task(_next(requests))
        try:
            while reading is not None or self._making is not None:
                tasks = [task for task in (reading, self._making) if task is not None]
                await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
                preview = self._made()
                if preview is not None:
                    yield preview
                if reading is not None and reading.done():
                    request = reading.result()
                    if request is not None:
                        yield request
                    # Only now, so that nothing is being read when the caller's handling of the request fails.
                    reading = None if request is None else asyncio.create_task(_next(requests))
                if reading is not None and self._making is None:
                    self._begin()
        finally:
            for task in (reading, self._making):
                if task is not None:
                    task.cancel()

    def _begin(self) -> None:
        """Begin with what waits, else go on with what is shown in drafts so far."""
        if self._waiting is not None:
            self._current, self._waiting = self._waiting, None
            self._left = list(self._makers)
        if self._left and self._current is not None:
            self._making = asyncio.create_task(self._left.pop(0)(self._current))

    def _made(self) -> Rebuilt | None:
        """Return the preview that has just been made, if it is one and has a picture."""
        if self._making is None or not self._making.done():
            return None
        making, self._making = self._making, None
        if isinstance(making.exception(), LinkError):
            return None
        made = making.result()
        if not self._left:
            self.newest = made
        if made.pixels is None:
            return None
        self.count += 1
        return made


async def _next(requests: AsyncIterator[T]) -> T | None:
    return await anext(requests, None)
