"""Run a sweep: hand batches to workers and write their rows to disk."""

from __future__ import annotations

import contextlib
import platform
import shlex
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from semlink.sweep.executors import open_local_executor
from semlink.sweep.plan import hash_key
from semlink.sweep.row import encode_webp
from semlink.sweep.schedule import Schedule
from semlink.sweep.store import RowStore, check_models
from semlink.sweep.version import describe_versions
from shared.devices import check_device
from shared.picture import load_picture
from shared.printable import printable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from semlink.sweep.executors import Executor
    from semlink.sweep.plan import Plan

AHEAD: Final = 2
"""Number of batches per worker that are submitted ahead, so that no worker waits for its next one."""


def run_sweep(
    plan: Plan,
    out: Path,
    *,
    workers: int = 1,
    ray: str = "",
    device: str = "cpu",
    command: Sequence[str] = (),
    on_rows: Callable[[Schedule], None] | None = None,
) -> Schedule:
    """Make all rows of ``plan`` that the folder ``out`` does not hold, and write them there.

    Args:
        plan: what to send over which channels.
        out: the folder of the rows.
        workers: number of worker processes; 1: this process.
        ray: address of a Ray cluster to use instead of ``workers``, or ``local``.
        device: where decoders and measures compute: ``cpu``, ``cuda`` ...
        command: arguments of ``semlink``, for the report on how to repeat the run.
        on_rows: called after each batch, for instance to show progress.

    Raises:
        LinkError: the folder, a picture, a worker or the cluster fails. The folder keeps all rows made so far.
    """
    if not ray:  # the nodes of a cluster have their own devices
        check_device(device)
    with RowStore(out) as store:
        planned = [
            {"codec": one.codec.name, "models": one.models.models, "models_sha256": one.models.sha256}
            for one in plan.points
        ]
        check_models([*store.known.values(), *planned])
        store.write_run(_describe_run(plan, command))
        for picture in plan.pictures:
            if picture.keep:
                original = load_picture(picture.file.read_bytes(), picture.levels)
                store.add([], {picture.digest: encode_webp(original.pixels)})
        with _open_executor(workers, ray, device) as executor:
            return run_plan(plan, store, executor, on_rows)


def run_plan(
    plan: Plan, store: RowStore, executor: Executor, on_rows: Callable[[Schedule], None] | None = None
) -> Schedule:
    """Make all rows of ``plan`` that ``store`` does not hold. Call ``on_rows`` after each batch.

    Raises:
        LinkError: a task failed, a worker ended, or the disk is full. The store keeps all rows made so far.
    """
    schedule = Schedule(plan, store.known)
    show = on_rows or (lambda _: None)
    show(schedule)
    running = 0
    while True:
        while running < AHEAD * executor.workers and (batch := schedule.next_batch()) is not None:
            executor.submit(batch)
            running += 1
        if not running:
            return schedule
        for result in executor.collect():
            running -= 1
            store.add(result.rows, result.pictures)
            schedule.add_rows(result.rows)
        show(schedule)


@contextlib.contextmanager
def _open_executor(workers: int, ray: str, device: str) -> Iterator[Executor]:
    if ray:
        from semlink.sweep.ray_executor import open_ray_executor  # noqa: PLC0415 - optional

        with open_ray_executor(ray, device) as executor:
            yield executor
        return
    with open_local_executor(workers, device) as executor:
        yield executor


def _describe_run(plan: Plan, command: Sequence[str]) -> dict[str, Any]:
    """Return what is needed to repeat a run. The same run has the same ``id`` on every machine."""
    document: dict[str, Any] = {
        "command": printable(shlex.join(["semlink", *command])),
        "settings": plan.sweep.to_yaml(),
        "code": plan.code,
        "weights": plan.weights,
        "versions": describe_versions(),
        "pictures": {picture.name: picture.digest for picture in plan.pictures},
    }
    started = datetime.now(UTC).isoformat(timespec="seconds")
    return document | {"id": hash_key(document)[:16], "started": started, "processor": platform.processor()}
