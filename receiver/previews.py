"""Previews: pictures decoded while packets still arrive."""

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
    """Decodes one preview at a time. Of the bitstreams that are offered meanwhile, only the newest waits.

    ``newest`` is the latest preview that is not a draft, ``count`` the number of previews with a picture.

    Args:
        rebuild: decodes a bitstream.
        drafts: faster functions, in the order in which their drafts precede the result of ``rebuild``.
    """

    def __init__(self, rebuild: Rebuild, drafts: Sequence[Rebuild] = ()) -> None:
        self._stages = (*drafts, rebuild)
        self._stages_left: list[Rebuild] = []
        self._current: Bitstream | None = None
        self._running: asyncio.Task[Rebuilt] | None = None
        self._offered: Bitstream | None = None
        self._waiting: Bitstream | None = None
        self.newest: Rebuilt | None = None
        self.count = 0

    def offer(self, bitstream: Bitstream | None) -> None:
        """Request a preview of ``bitstream`` if it differs from the one before."""
        if bitstream is not None and bitstream != self._offered:
            self._offered = self._waiting = bitstream

    async def while_reading(self, requests: AsyncIterator[T]) -> AsyncGenerator[T | Rebuilt, None]:
        """Yield ``requests`` and, as soon as each is ready, the previews of the bitstreams that were offered meanwhile.

        Ends when the requests end and the running preview is ready. A bitstream that still waits is dropped. A preview
        that fails is dropped too: the picture itself will fail in the same way.
        """
        reading: asyncio.Task[T | None] | None = asyncio.create_task(_next(requests))
        try:
            while reading is not None or self._running is not None:
                tasks = [task for task in (reading, self._running) if task is not None]
                await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
                preview = self._take_finished()
                if preview is not None:
                    yield preview
                if reading is not None and reading.done():
                    request = reading.result()
                    if request is not None:
                        yield request
                    # Only now: no read may be pending if the caller fails while it handles the request.
                    reading = None if request is None else asyncio.create_task(_next(requests))
                if reading is not None and self._running is None:
                    self._start_next()
        finally:
            for task in (reading, self._running):
                if task is not None:
                    task.cancel()

    def _start_next(self) -> None:
        """Start the waiting bitstream, or the next stage of the current one."""
        if self._waiting is not None:
            self._current, self._waiting = self._waiting, None
            self._stages_left = list(self._stages)
        if self._stages_left and self._current is not None:
            self._running = asyncio.create_task(self._stages_left.pop(0)(self._current))

    def _take_finished(self) -> Rebuilt | None:
        """Return the preview that has just finished, if there is one and it has a picture."""
        if self._running is None or not self._running.done():
            return None
        running, self._running = self._running, None
        if isinstance(running.exception(), LinkError):
            return None
        preview = running.result()
        if not self._stages_left:
            self.newest = preview
        if preview.pixels is None:
            return None
        self.count += 1
        return preview


async def _next(requests: AsyncIterator[T]) -> T | None:
    return await anext(requests, None)
