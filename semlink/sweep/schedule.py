"""Which tasks are still to be made, in what order, and when a point has seen enough.

A seed of a point (all pictures) is asked for in one piece, and an early stop looks at whole seeds in their order only.
So which rows there are in the end depends on neither the number of workers nor on interruptions.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from semlink.sweep.settings import BLER
from semlink.sweep.summary import failed_packets, interval_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from semlink.sweep.plan import PictureFile, Plan, Point, Task
    from semlink.sweep.settings import Stop

BATCH_TASKS: Final = 12
"""Tasks that a worker is given at a time: of one picture and one codec, so that encodings serve them all."""
ALL_SEEDS: Final = "all seeds"


@dataclass(frozen=True, slots=True)
class Batch:
    """Tasks for one worker, all of one picture; ``data`` is the picture's file, which other machines do not have."""

    picture: PictureFile
    data: bytes
    tasks: tuple[Task, ...]


@dataclass(slots=True)
class _Progress:
    """How far a point has come: the first ``asked`` seeds are asked for, ``waiting`` rows of them are still to come."""

    asked: int = 0
    waiting: int = 0
    reason: str = ""


class Schedule:
    """Hands out batches and takes in rows. ``known`` are rows from before, by key, which are not made again."""

    def __init__(self, plan: Plan, known: Mapping[str, dict[str, Any]]) -> None:
        self._plan = plan
        self._rows: dict[str, dict[str, Any]] = {}
        self._known = known
        self._progress = {point.key: _Progress() for point in plan.points}
        self._points = {point.key: point for point in plan.points}
        self._ready: list[Task] = []
        self.reused = 0
        for point in plan.points:
            self._ask(point)
        self._batches = self._grouped()

    def next_batch(self) -> Batch | None:
        """Return what to make next, None while there is nothing: at the end, or until more rows come."""
        batch = next(self._batches, None)
        if batch is None and self._ready:
            self._batches = self._grouped()
            batch = next(self._batches, None)
        return batch

    def take(self, rows: Sequence[dict[str, Any]]) -> None:
        """Take in rows that were made; points whose seed is whole with them stop, or ask for the next one."""
        for row in rows:
            self._rows[row["key"]] = row
            progress = self._progress[row["point"]]
            progress.waiting -= 1
            if not progress.waiting:
                self._ask(self._points[row["point"]])

    def reason(self, point: Point) -> str:
        """Return why a point stopped, empty while it has not."""
        return self._progress[point.key].reason

    def rows_of(self, point: Point) -> list[dict[str, Any]]:
        """Return the rows of the seeds that were asked for, as far as they are there."""
        seeds = self._plan.sweep.seeds[: self._progress[point.key].asked]
        tasks = (task for seed in seeds for task in self._plan.round_of(point, seed))
        return [self._rows[task.key] for task in tasks if task.key in self._rows]

    @property
    def rows(self) -> list[dict[str, Any]]:
        """All rows of the plan so far: those that an early stop left out are not among them."""
        return list(self._rows.values())

    @property
    def remaining(self) -> int:
        """Most tasks that may still be made."""
        return sum(
            progress.waiting + (len(self._plan.sweep.seeds) - progress.asked) * len(self._plan.pictures)
            for progress in self._progress.values()
            if not progress.reason
        )

    def _ask(self, point: Point) -> None:
        """Ask for the next seeds of a point, as many as must be made before an early stop can be; or stop it."""
        progress, seeds, stop = self._progress[point.key], self._plan.sweep.seeds, self._plan.sweep.stop
        while not progress.waiting and not progress.reason:
            rows = self.rows_of(point)
            if stop and progress.asked >= stop.min_seeds:
                progress.reason = stop_reason(rows, stop)
            if not progress.reason and progress.asked == len(seeds):
                progress.reason = ALL_SEEDS
            if progress.reason:
                return
            upto = progress.asked + 1 if stop and progress.asked >= stop.min_seeds else stop.min_seeds if stop else None
            for seed in seeds[progress.asked : upto]:
                progress.asked += 1
                for task in self._plan.round_of(point, seed):
                    self._ask_one(task, progress)

    def _ask_one(self, task: Task, progress: _Progress) -> None:
        if task.key in self._known:
            self._rows[task.key] = self._known[task.key]
            self.reused += 1
        else:
            self._ready.append(task)
            progress.waiting += 1

    def _grouped(self) -> Iterator[Batch]:
        """Yield what is ready in batches of one picture and one way of making bytes."""
        groups: dict[tuple[str, str], list[Task]] = defaultdict(list)
        for task in self._ready:
            groups[task.picture.digest, task.point.codec.source].append(task)
        self._ready.clear()
        for tasks in groups.values():
            picture = tasks[0].picture
            data = picture.file.read_bytes()
            for start in range(0, len(tasks), BATCH_TASKS):
                yield Batch(picture, data, tuple(tasks[start : start + BATCH_TASKS]))


def stop_reason(rows: Sequence[dict[str, Any]], stop: Stop) -> str:
    """Return why the rows of a point's whole seeds are enough, empty if they are not."""
    if stop.errors is not None and failed_packets(rows) >= stop.errors:
        return f"{stop.errors} errors"
    interval = interval_of(rows, stop.measure, stop.confidence)
    if interval is None or interval.half_width > stop.half_width:
        return ""
    name = "BLER" if stop.measure == BLER else stop.measure
    return f"{name} ±{interval.half_width:.2g}"
