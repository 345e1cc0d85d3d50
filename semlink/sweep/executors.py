"""Executors carry out batches: in this process, or in worker processes on this machine."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import threading
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from typing import TYPE_CHECKING, Protocol

from shared.errors import ServiceError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from multiprocessing.process import BaseProcess

    from semlink.sweep.schedule import Batch
    from semlink.sweep.worker import Worker, WorkerResult

_worker: Worker | None = None  # in a worker process, which exists for this one worker


class Executor(Protocol):
    """Carries out batches, ``workers`` of them at once."""

    workers: int

    def submit(self, batch: Batch) -> None:
        """Start ``batch``, or queue it."""
        ...

    def collect(self) -> list[WorkerResult]:
        """Wait until a batch is done. Return the results of all that are.

        Raises:
            LinkError: a batch failed, or a worker ended.
        """
        ...


class InProcessExecutor:
    """One worker in this process."""

    workers = 1

    def __init__(self, device: str) -> None:
        self._device = device
        self._worker: Worker | None = None
        self._batches: list[Batch] = []

    def submit(self, batch: Batch) -> None:
        """Queue ``batch``; ``collect`` carries it out."""
        self._batches.append(batch)

    def collect(self) -> list[WorkerResult]:
        """Carry out the oldest batch and return its result."""
        if self._worker is None:
            self._worker = create_worker(self._device)
        batch = self._batches.pop(0)
        return [self._worker.make_rows(batch.data, batch.tasks)]


class ProcessExecutor:
    """Worker processes on this machine. Each has its own models."""

    def __init__(self, pool: ProcessPoolExecutor, workers: int) -> None:
        self.workers = workers
        self._pool = pool
        self._running: set[Future[WorkerResult]] = set()

    def submit(self, batch: Batch) -> None:
        """Queue ``batch`` for the next free worker."""
        with _report_lost_worker(self.workers):
            self._running.add(self._pool.submit(_make_rows, batch))

    def collect(self) -> list[WorkerResult]:
        """Wait until a batch is done. Return the results of all that are."""
        done, self._running = wait(self._running, return_when=FIRST_COMPLETED)
        with _report_lost_worker(self.workers):
            return [future.result() for future in done]

    @property
    def process_ids(self) -> list[int]:
        """IDs of the worker processes, which start with the first batch."""
        return list(self._pool._processes or {})  # noqa: SLF001 - the pool has no public attribute for them


@contextlib.contextmanager
def open_local_executor(workers: int, device: str) -> Iterator[Executor]:
    """Yield an executor on this machine: this process for one worker, else processes that end when this one does."""
    if workers == 1:
        yield InProcessExecutor(device)
        return
    with open_process_executor(workers, device) as executor:
        yield executor


@contextlib.contextmanager
def open_process_executor(workers: int, device: str) -> Iterator[ProcessExecutor]:
    """Yield an executor with ``workers`` processes, even for one worker."""
    # Spawned, not forked: torch's threads do not survive a fork.
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(workers, context, initializer=_start_worker, initargs=(device,))
    try:
        yield ProcessExecutor(pool, workers)
    except BaseException:
        _stop(pool)
        raise
    pool.shutdown()


def create_worker(device: str) -> Worker:
    """Return a worker that computes in one thread, so that a row does not depend on the number of cores.

    Raises:
        SetupError: there is no such device.
    """
    import torch  # noqa: PLC0415 - seconds to import

    from semlink.sweep.worker import Worker  # noqa: PLC0415
    from shared.torch_devices import select_device  # noqa: PLC0415

    torch.set_num_threads(1)
    return Worker(str(select_device(device)))


def _start_worker(device: str) -> None:
    """Set up a worker process. It ignores Ctrl-C, which the parent handles, and ends when the parent ends."""
    global _worker  # noqa: PLW0603 - a process pool has no other place for the state of a worker process
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_with_parent, args=(parent,), daemon=True).start()
    _worker = create_worker(device)


def _end_with_parent(parent: BaseProcess) -> None:
    """End this process when ``parent`` ends, even if it was killed and could not stop its workers."""
    parent.join()
    os._exit(1)


def _make_rows(batch: Batch) -> WorkerResult:
    if _worker is None:
        raise ServiceError("this worker process was not set up")
    return _worker.make_rows(batch.data, batch.tasks)


def _stop(pool: ProcessPoolExecutor) -> None:
    """Stop the worker processes at once."""
    for process in list((pool._processes or {}).values()):  # noqa: SLF001 - the pool has no public method for this
        process.terminate()
    pool.shutdown(wait=True, cancel_futures=True)


@contextlib.contextmanager
def _report_lost_worker(workers: int) -> Iterator[None]:
    try:
        yield
    except BrokenProcessPool as error:
        raise ServiceError(
            f"one of {workers} workers ended unexpectedly, often because memory ran out; rows so far are kept: "
            "run the same command again with fewer --workers"
        ) from error
