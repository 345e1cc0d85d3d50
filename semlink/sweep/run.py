"""Runs a plan: batches to workers, rows to disk as they come."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import threading
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from typing import TYPE_CHECKING, Final, Protocol

from semlink.sweep.schedule import Schedule
from shared.errors import ServiceError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from multiprocessing.process import BaseProcess

    from semlink.sweep.plan import Plan
    from semlink.sweep.rows import RowStore
    from semlink.sweep.schedule import Batch
    from semlink.sweep.worker import Engine, Made

AHEAD: Final = 2
"""Batches per worker that are handed out, so that none waits for its next one."""

_engine: Engine | None = None  # of a worker process, which has one and lives for it


class Executor(Protocol):
    """Where batches are made. ``workers`` is how many are made at once."""

    workers: int

    def submit(self, batch: Batch) -> None:
        """Have ``batch`` made."""
        ...

    def finished(self) -> list[Made]:
        """Wait until a batch is made; return those that are.

        Raises:
            LinkError: what a batch raised, or the workers are gone.
        """
        ...


def run_plan(plan: Plan, store: RowStore, executor: Executor, on_rows: Callable[[Schedule], None]) -> Schedule:
    """Make every row of ``plan`` that ``store`` does not hold; ``on_rows`` is told after each batch.

    Raises:
        LinkError: a task cannot be made, the workers are gone, or the disk is full; all rows made so far are kept.
    """
    schedule = Schedule(plan, store.known)
    on_rows(schedule)
    running = 0
    while True:
        while running < AHEAD * executor.workers and (batch := schedule.next_batch()) is not None:
            executor.submit(batch)
            running += 1
        if not running:
            return schedule
        for made in executor.finished():
            running -= 1
            store.add(made.rows, made.pictures)
            schedule.take(made.rows)
        on_rows(schedule)


class Here:
    """One worker: this process."""

    workers = 1

    def __init__(self, device: str) -> None:
        self._device = device
        self._engine: Engine | None = None
        self._batches: list[Batch] = []

    def submit(self, batch: Batch) -> None:
        """Have ``batch`` made by ``finished``."""
        self._batches.append(batch)

    def finished(self) -> list[Made]:
        """Make the oldest batch."""
        if self._engine is None:
            self._engine = new_engine(self._device)
        batch = self._batches.pop(0)
        return [self._engine.made(batch.data, batch.tasks)]


class Processes:
    """Worker processes on this machine, each with its own models."""

    def __init__(self, pool: ProcessPoolExecutor, workers: int) -> None:
        self.workers = workers
        self._pool = pool
        self._running: set[Future[Made]] = set()

    def submit(self, batch: Batch) -> None:
        """Hand ``batch`` to the next free worker."""
        with _lost_workers(self.workers):
            self._running.add(self._pool.submit(_made, batch))

    def finished(self) -> list[Made]:
        """Wait until a batch is made; return those that are."""
        done, self._running = wait(self._running, return_when=FIRST_COMPLETED)
        with _lost_workers(self.workers):
            return [future.result() for future in done]

    @property
    def process_ids(self) -> list[int]:
        """The worker processes; they start with the first batch."""
        return list(self._pool._processes or {})  # noqa: SLF001 - there is no public way to name them


@contextlib.contextmanager
def local_executor(workers: int, device: str) -> Iterator[Executor]:
    """Yield ``workers`` on this machine: this process, if it is one. They end with it, also if it is killed."""
    if workers == 1:
        yield Here(device)
        return
    with process_executor(workers, device) as executor:
        yield executor


@contextlib.contextmanager
def process_executor(workers: int, device: str) -> Iterator[Processes]:
    """Yield ``workers`` processes, also where it is one."""
    # Not forked: torch's threads do not survive a fork.
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(workers, context, initializer=_begin, initargs=(device,))
    try:
        yield Processes(pool, workers)
    except BaseException:
        _end(pool)
        raise
    pool.shutdown()


def new_engine(device: str) -> Engine:
    """Return an engine that computes in one thread, so that a row does not depend on the number of cores.

    Raises:
        SetupError: there is no such device.
    """
    import torch  # noqa: PLC0415 - seconds to import

    from receiver.pocket.devices import device_named  # noqa: PLC0415
    from semlink.sweep.worker import Engine  # noqa: PLC0415

    torch.set_num_threads(1)
    return Engine(str(device_named(device)))


def _begin(device: str) -> None:
    """Make a worker: deaf to Ctrl-C, which the parent answers, and gone when the parent is."""
    global _engine  # noqa: PLW0603 - of a process that has one engine and no other purpose
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
    _engine = new_engine(device)


def _end_with(parent: BaseProcess) -> None:
    """End this process with ``parent``, which may have been killed and then tells nobody."""
    parent.join()
    os._exit(1)


def _made(batch: Batch) -> Made:
    if _engine is None:
        raise ServiceError("this worker has no engine")
    return _engine.made(batch.data, batch.tasks)


def _end(pool: ProcessPoolExecutor) -> None:
    """Stop the workers now, whatever they are making."""
    for process in list((pool._processes or {}).values()):  # noqa: SLF001 - there is no public way to stop them
        process.terminate()
    pool.shutdown(wait=True, cancel_futures=True)


@contextlib.contextmanager
def _lost_workers(workers: int) -> Iterator[None]:
    try:
        yield
    except BrokenProcessPool as error:
        raise ServiceError(
            f"one of {workers} workers ended without a word, often for want of memory; rows so far are kept: "
            "run the same command again with fewer --workers"
        ) from error
