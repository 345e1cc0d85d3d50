"""Which tasks to run next, and when a point can stop early.

A point requests its seeds in order, each with all pictures. An early stop is decided only between complete seeds. So
the final rows depend neither on the number of workers nor on interruptions.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from semlink.sweep.settings import BLER
from semlink.sweep.summary import count_failed_packets, estimate

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from semlink.sweep.plan import PictureFile, Plan, Point, Task
    from semlink.sweep.settings import Stop

BATCH_TASKS: Final = 12
"""Most tasks in one batch. They share a picture and an encoder, so that a worker encodes once for all of them."""
ALL_SEEDS: Final = "all seeds"


@dataclass(frozen=True, slots=True)
class Batch:
    """Tasks for one worker, all with one picture. ``data`` is the picture's file, which other machines do not have."""

    picture: PictureFile
    data: bytes
    tasks: tuple[Task, ...]


@dataclass(slots=True)
class _Progress:
    """Progress of a point: its first ``requested`` seeds are requested, and ``missing`` rows of them are not there yet.

    ``stop_reason`` is empty while the point runs.
    """

    requested: int = 0
    missing: int = 0
    stop_reason: str = ""


class Schedule:
    """Hands out batches and takes in their rows. ``known`` holds the rows of earlier runs, by key: they are reused."""

    def __init__(self, plan: Plan, known: Mapping[str, dict[str, Any]]) -> None:
        self._plan = plan
        self._rows: dict[str, dict[str, Any]] = {}
        self._known = known
        self._progress = {point.key: _Progress() for point in plan.points}
        self._points = {point.key: point for point in plan.points}
        self._ready: list[Task] = []
        self.reused = 0
        for point in plan.points:
            self._request_seeds(point)
        self._batches = self._group_batches()

    def next_batch(self) -> Batch | None:
        """Return the next batch; None at the end, and while the next seeds depend on rows that are not there yet."""
        batch = next(self._batches, None)
        if batch is None and self._ready:
            self._batches = self._group_batches()
            batch = next(self._batches, None)
        return batch

    def add_rows(self, rows: Sequence[dict[str, Any]]) -> None:
        """Add new rows. A point whose seeds are complete with them stops or requests its next seed."""
        for row in rows:
            self._rows[row["key"]] = row
            progress = self._progress[row["point"]]
            progress.missing -= 1
            if not progress.missing:
                self._request_seeds(self._points[row["point"]])

    def stop_reason(self, point: Point) -> str:
        """Return why ``point`` stopped; empty while it runs."""
        return self._progress[point.key].stop_reason

    def rows_of(self, point: Point) -> list[dict[str, Any]]:
        """Return the rows so far of the seeds that ``point`` has requested."""
        seeds = self._plan.sweep.seeds[: self._progress[point.key].requested]
        tasks = (task for seed in seeds for task in self._plan.tasks_of(point, seed))
        return [self._rows[task.key] for task in tasks if task.key in self._rows]

    @property
    def rows(self) -> list[dict[str, Any]]:
        """All rows of the plan so far, without those that an early stop leaves out."""
        return list(self._rows.values())

    @property
    def remaining(self) -> int:
        """Number of tasks left if no further point stops early."""
        return sum(
            progress.missing + (len(self._plan.sweep.seeds) - progress.requested) * len(self._plan.pictures)
            for progress in self._progress.values()
            if not progress.stop_reason
        )

    def _request_seeds(self, point: Point) -> None:
        """Request the next seeds of ``point`` up to the next possible early stop, or stop the point."""
        progress, seeds, stop = self._progress[point.key], self._plan.sweep.seeds, self._plan.sweep.stop
        while not progress.missing and not progress.stop_reason:
            rows = self.rows_of(point)
            if stop and progress.requested >= stop.min_seeds:
                progress.stop_reason = find_stop_reason(rows, stop)
            if not progress.stop_reason and progress.requested == len(seeds):
                progress.stop_reason = ALL_SEEDS
            if progress.stop_reason:
                return
            end = (
                progress.requested + 1
                if stop and progress.requested >= stop.min_seeds
                else stop.min_seeds
                if stop
                else None
            )
            for seed in seeds[progress.requested : end]:
                progress.requested += 1
                for task in self._plan.tasks_of(point, seed):
                    self._request(task, progress)

    def _request(self, task: Task, progress: _Progress) -> None:
        if task.key in self._known:
            self._rows[task.key] = self._known[task.key]
            self.reused += 1
        else:
            self._ready.append(task)
            progress.missing += 1

    def _group_batches(self) -> Iterator[Batch]:
        """Yield the requested tasks in batches that share a picture and an encoder."""
        groups: dict[tuple[str, str], list[Task]] = defaultdict(list)
        for task in self._ready:
            groups[task.picture.digest, task.point.codec.source].append(task)
        self._ready.clear()
        for tasks in groups.values():
            picture = tasks[0].picture
            data = picture.file.read_bytes()
            for start in range(0, len(tasks), BATCH_TASKS):
                yield Batch(picture, data, tuple(tasks[start : start + BATCH_TASKS]))


def find_stop_reason(rows: Sequence[dict[str, Any]], stop: Stop) -> str:
    """Return why the rows of a point's complete seeds are enough; empty if they are not."""
    if stop.errors is not None and count_failed_packets(rows) >= stop.errors:
        return f"{stop.errors} errors"
    interval = estimate(rows, stop.measure, stop.confidence)
    if interval is None or not interval.half_width <= stop.half_width:  # not a number is not narrow
        return ""
    name = "BLER" if stop.measure == BLER else stop.measure
    return f"{name} ±{interval.half_width:.2g}"
