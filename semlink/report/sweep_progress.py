"""Show the progress of a sweep: a table on a terminal, a line every few seconds elsewhere."""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING, Final

from receiver.metrics.names import MEASURES
from semlink.report.style import format_measure
from semlink.report.text import format_interval, format_rate, remove_common_columns
from semlink.sweep.summary import summarise_points
from shared.printable import printable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rich.console import RenderableType

    from semlink.sweep.plan import Plan
    from semlink.sweep.schedule import Schedule
    from semlink.sweep.summary import PointSummary

LINE_S: Final = 5.0
"""Seconds between two lines if there is no terminal. The first new rows are reported at once."""
FRAME_LINES: Final = 8
WORDS: Final = ("channel", "codec", "rate")
"""Columns that hold words."""
ALWAYS: Final = ("codec", "SNR dB", "BLER", "stopped by")
"""Columns that stay even if all points have the same value."""


@contextlib.contextmanager
def show_progress(plan: Plan, *, quiet: bool) -> Iterator[Callable[[Schedule], None]]:
    """Yield a function to call with the schedule after each batch. It shows nothing if ``quiet``."""
    from rich.console import Console  # noqa: PLC0415 - keeps --help quick

    console = Console(stderr=True)
    started_s = time.monotonic()
    if quiet:
        yield lambda schedule: None  # noqa: ARG005
    elif console.is_terminal:
        from rich.live import Live  # noqa: PLC0415

        with Live(console=console, auto_refresh=False) as live:
            yield lambda schedule: live.update(
                _make_table(plan, schedule, started_s, console.height - FRAME_LINES), refresh=True
            )
    else:
        printed: list[tuple[float, int]] = []  # time and number of rows of each line

        def print_line(schedule: Schedule) -> None:
            now_s, rows = time.monotonic(), len(schedule.rows)
            first_new = len(printed) == 1 and rows > printed[0][1]
            if not printed or first_new or now_s - printed[-1][0] >= LINE_S or not schedule.remaining:
                printed.append((now_s, rows))
                console.print(_describe(plan, schedule, started_s), highlight=False, markup=False, soft_wrap=True)

        yield print_line


def point_table(plan: Plan, schedule: Schedule) -> tuple[str, list[str], list[list[str]]]:
    """Return headings and rows of a table of all points that have rows, running points first.

    Its quality is the first measure of the sweep. Values that all points share are not in the table, but in the text
    before it.
    """
    summaries = {one.key: one for one in summarise_points(schedule.rows)}
    measure = plan.sweep.measures[0] if plan.sweep.measures else ""
    points = sorted(
        (one for one in plan.points if one.key in summaries), key=lambda one: bool(schedule.stop_reason(one))
    )
    quality = [MEASURES[measure].heading] if measure else []
    columns = ["channel", "codec", "rate", "SNR dB", "MCS", "rows", "BLER", *quality, "stopped by"]
    cells = [_point_cells(summaries[one.key], measure, schedule.stop_reason(one)) for one in points]
    return remove_common_columns(columns, cells, (*ALWAYS, *quality))


def _point_cells(summary: PointSummary, measure: str, reason: str) -> list[str]:
    quality = [format_measure(summary, measure)] if measure else []
    return [
        summary.channel,
        summary.codec,
        format_rate(summary.rate_kind, summary.rate),
        f"{summary.snr_db:g}",
        "/".join(map(str, summary.mcs)) or "-",
        str(summary.rows),
        format_interval(summary.bler, 3),
        *quality,
        reason,
    ]


def _make_table(plan: Plan, schedule: Schedule, started_s: float, height: int) -> RenderableType:
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    common, columns, rows = point_table(plan, schedule)
    title = Text(printable(common), style="table.title")
    table = Table(title=title, title_justify="left", caption=_describe(plan, schedule, started_s))
    for column in columns:
        table.add_column(column, justify="left" if column in WORDS else "right", no_wrap=True)
    for row in rows[: max(3, height)]:
        table.add_row(*(Text(printable(cell)) for cell in row))
    return table


def _describe(plan: Plan, schedule: Schedule, started_s: float) -> str:
    """Return the progress in one line."""
    done = len(schedule.rows)
    new = done - schedule.reused
    elapsed_s = time.monotonic() - started_s
    left = (
        f", about {_format_duration(elapsed_s / new * schedule.remaining)} left" if new and schedule.remaining else ""
    )
    stopped = sum(1 for point in plan.points if schedule.stop_reason(point))
    reused = f", {schedule.reused} from earlier runs" if schedule.reused else ""
    return f"{done} of {done + schedule.remaining} rows{reused}; {stopped} of {len(plan.points)} points done{left}"


def _format_duration(seconds: float) -> str:
    if seconds < 100:
        return f"{seconds:.0f} s"
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min"
