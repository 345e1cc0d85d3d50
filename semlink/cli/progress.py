"""Progress on standard error: a bar on a terminal, else a line now and then."""

from __future__ import annotations

import contextlib
import sys
import threading
import time
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from semlink.pipeline.transfer import OnStage

LINE_S: Final = 10.0
"""Seconds between two lines."""


@contextlib.contextmanager
def progress_bar(total: int, *, quiet: bool) -> Iterator[OnStage]:
    """Yield a callback that shows the stage of each of ``total`` pictures on standard error; nothing when ``quiet``.

    The callback takes the stage's name and the share of the picture that is done; 1.0 of ``"done"`` ends a picture.
    """
    if quiet:
        yield lambda _stage, _done: None
        return
    with _terminal_bar(total) if sys.stderr.isatty() else progress_lines(total) as on_stage:
        yield on_stage


@contextlib.contextmanager
def progress_lines(
    total: int, period_s: float = LINE_S, write: Callable[[str], object] | None = None
) -> Iterator[OnStage]:
    """Yield the callback of ``progress_bar``; every ``period_s`` seconds a line says how far the work is.

    The lines come from a thread of their own, since one stage of a large picture takes minutes.
    """
    started_s, ended = time.monotonic(), threading.Event()
    now, pictures = "start", 0

    def on_stage(stage: str, done: float) -> None:
        nonlocal now, pictures
        now = stage
        pictures += stage == "done" and done >= 1

    def write_lines() -> None:
        while not ended.wait(period_s):
            counted = f"{pictures} of {total} pictures done, " if total > 1 else ""
            (write or sys.stderr.write)(f"{now}: {counted}{time.monotonic() - started_s:.0f} s\n")

    thread = threading.Thread(target=write_lines, daemon=True)
    thread.start()
    try:
        yield on_stage
    finally:
        ended.set()
        thread.join()


@contextlib.contextmanager
def _terminal_bar(total: int) -> Iterator[OnStage]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (
        TextColumn("{task.description:<10}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("start", total=total)

        def on_stage(stage: str, done: float) -> None:
            progress.update(task, description=stage, advance=1.0 if stage == "done" and done >= 1 else 0.0)

        yield on_stage
