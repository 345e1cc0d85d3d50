"""``semlink sweep``: from its arguments to rows on disk and what it prints."""

from __future__ import annotations

import platform
import shlex
import sys
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from semlink.cli.output import print_json, print_table
from semlink.sweep.live import COLUMNS, point_rows, shown
from semlink.sweep.outcome import kept_file
from semlink.sweep.plan import hash_of, plan_of
from semlink.sweep.rows import RowStore
from semlink.sweep.run import open_local_executor, run_plan
from semlink.sweep.settings import sweep_of
from semlink.sweep.summary import summarise_points
from semlink.sweep.version import describe_versions
from shared.picture import load_picture

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from semlink.sweep.plan import Plan
    from semlink.sweep.run import Executor


def sweep(
    file: Path | None,
    flags: Mapping[str, Any],
    out: Path,
    *,
    workers: int,
    ray: str,
    device: str,
    as_json: bool,
) -> None:
    """Make every row that the sweep asks for and ``out`` does not hold yet, and print what the points come to.

    Raises:
        LinkError: settings, pictures, folder, workers or cluster are not as they must be; rows made so far are kept.
    """
    plan = plan_of(sweep_of(file, flags))
    with RowStore(out) as store:
        store.note_run(_run_document(plan, sys.argv[1:]))
        for picture in plan.pictures:
            if picture.kept:
                original = load_picture(picture.file.read_bytes())
                store.add([], {picture.digest: kept_file(original.pixels)})
        with _executor(workers, ray, device) as executor, shown(plan, quiet=as_json) as on_rows:
            schedule = run_plan(plan, store, executor, on_rows)
    if as_json:
        points = [asdict(point) for point in summarise_points(schedule.rows)]
        reasons = {point.key: schedule.stop_reason(point) for point in plan.points}
        print_json({"rows": str(out), "points": [one | {"stopped_by": reasons[one["key"]]} for one in points]})
        return
    print_table(f"{len(schedule.rows)} rows in {out}", COLUMNS, point_rows(plan, schedule))
    print(f"Look at it: semlink report {shlex.quote(str(out))}")


def joined(command: Sequence[str]) -> str:
    """Return a command line as one would type it."""
    return shlex.join(["semlink", *command])


@contextmanager
def _executor(workers: int, ray: str, device: str) -> Iterator[Executor]:
    if ray:
        from semlink.sweep.ray_run import open_ray_executor  # noqa: PLC0415 - optional

        with open_ray_executor(ray, device) as executor:
            yield executor
        return
    with open_local_executor(workers, device) as executor:
        yield executor


def _run_document(plan: Plan, command: Sequence[str]) -> dict[str, Any]:
    """Return what it takes to repeat a run; the same run anywhere has the same ``id``."""
    document: dict[str, Any] = {
        "command": joined(command),
        "settings": plan.sweep.document(),
        "code": plan.code,
        "weights": plan.weights,
        "versions": describe_versions(),
        "pictures": {picture.name: picture.digest for picture in plan.pictures},
    }
    started = datetime.now(UTC).isoformat(timespec="seconds")
    return document | {"id": hash_of(document)[:16], "started": started, "processor": platform.processor()}
