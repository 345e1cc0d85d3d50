"""Previews: which of the offered bitstreams are decoded while packets arrive, and when."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest

from receiver.guidance import Guidance
from receiver.previews import Previews
from receiver.rebuild import Rebuilt
from shared.bitstream import Bitstream, PictureHeader
from shared.errors import LimitError
from shared.streams import Stream, StreamKind

BITSTREAMS = [
    Bitstream(PictureHeader(64, 64), tuple(Stream(kind, b"x") for kind in list(StreamKind)[:count]))
    for count in range(4)
]
UNKNOWN = object()
"""Offered while the picture's size is not known."""


def rebuilt(bitstream: Bitstream) -> Rebuilt:
    return Rebuilt(bitstream, Guidance(bitstream.header), 0.0, np.zeros((64, 64), np.uint8), b"png")


async def others_ran() -> None:
    """Let all runnable tasks run."""
    for _ in range(20):
        await asyncio.sleep(0)


def run_previews(rebuild, script, drafts=()) -> tuple[list, Previews]:
    """Offer the bitstreams that the async generator ``script`` yields; return the previews and the object."""
    previews, shown = Previews(rebuild, drafts), []

    async def run():
        async for event in previews.while_reading(script):
            if isinstance(event, Rebuilt):
                shown.append(event.bitstream)
            else:
                previews.offer(None if event is UNKNOWN else event)

    asyncio.run(asyncio.wait_for(run(), 10))
    return shown, previews


def test_only_the_newest_bitstream_waits_while_a_preview_runs():
    started, go_on, made = asyncio.Event(), asyncio.Event(), []

    async def rebuild(bitstream):
        made.append(bitstream)
        started.set()
        await go_on.wait()
        return rebuilt(bitstream)

    async def script():
        yield BITSTREAMS[0]
        await started.wait()
        for bitstream in BITSTREAMS[1:]:
            yield bitstream
        go_on.set()
        await others_ran()

    shown, previews = run_previews(rebuild, script())
    assert made == shown == [BITSTREAMS[0], BITSTREAMS[3]]
    assert previews.count == 2
    assert previews.newest is not None
    assert previews.newest.bitstream == BITSTREAMS[3]


def test_when_the_requests_end_the_running_preview_finishes_and_the_waiting_one_is_dropped():
    started, made = asyncio.Event(), []

    async def rebuild(bitstream):
        made.append(bitstream)
        started.set()
        await others_ran()
        return rebuilt(bitstream)

    async def script():
        yield BITSTREAMS[0]
        await started.wait()
        yield BITSTREAMS[1]

    shown, _ = run_previews(rebuild, script())
    assert made == shown == [BITSTREAMS[0]]


def test_an_equal_bitstream_is_not_decoded_again_and_none_is_ignored():
    async def rebuild(bitstream):
        return rebuilt(bitstream)

    async def script():
        for bitstream in (UNKNOWN, BITSTREAMS[1], BITSTREAMS[1], UNKNOWN):
            yield bitstream
            await others_ran()

    shown, previews = run_previews(rebuild, script())
    assert shown == [BITSTREAMS[1]]
    assert previews.count == 1


def test_a_failed_preview_is_dropped_but_a_bug_is_raised():
    async def over_the_limit(bitstream):
        raise LimitError("too large")

    async def faulty(bitstream):
        raise ZeroDivisionError

    async def script():
        yield BITSTREAMS[0]
        await others_ran()

    shown, previews = run_previews(over_the_limit, script())
    assert shown == []
    assert previews.newest is None
    with pytest.raises(ZeroDivisionError):
        run_previews(faulty, script())


def test_drafts_precede_the_picture_and_do_not_count_as_it():
    go_on = asyncio.Event()
    drafted = []

    async def draft(bitstream):
        drafted.append(bitstream)
        return rebuilt(bitstream)

    async def rebuild(bitstream):
        await go_on.wait()
        return rebuilt(bitstream)

    async def whole():
        yield BITSTREAMS[1]
        await others_ran()
        go_on.set()
        await others_ran()
        yield UNKNOWN

    async def cut_short():
        yield BITSTREAMS[2]

    shown, previews = run_previews(rebuild, whole(), [draft])
    assert shown == [BITSTREAMS[1], BITSTREAMS[1]]
    assert drafted == [BITSTREAMS[1]]
    assert previews.newest is not None
    shown, previews = run_previews(rebuild, cut_short(), [draft])
    assert set(shown) <= {BITSTREAMS[2]}
    assert previews.newest is None
