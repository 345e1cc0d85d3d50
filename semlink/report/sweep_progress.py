"""Show the progress of a sweep: a table on a terminal, a line every few seconds elsewhere."""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING, Final

from receiver.metrics.names import MEASURES
from semlink.cli.output import number
from semlink.sweep.summary import summarise_points

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rich.console import RenderableType

    from semlink.sweep.plan import Plan
    from semlink.sweep.schedule import Schedule
    from semlink.sweep.summary import Interval, PointSummary

LINE_S: Final = 5.0
"""Seconds between two lines if there is no terminal. The first new rows are reported at once."""
FRAME_LINES: Final = 8
COLUMNS: Final = ("channel", "codec", "rate", "SNR dB", "MCS", "rows", "BLER", "quality", "stopped by")


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
                console.print(_describe(plan, schedule, started_s), highlight=False, soft_wrap=True)

        yield print_line


def point_rows(plan: Plan, schedule: Schedule) -> list[list[str]]:
    """Return a table row under ``COLUMNS`` for every point that has rows, running points first."""
    summaries = {one.key: one for one in summarise_points(schedule.rows)}
    cells = []
    for point in plan.points:
        summary = summaries.get(point.key)
        if summary is not None:
            reason = schedule.stop_reason(point)
            cells.append(
                (bool(reason), _point_cells(summary, plan.sweep.measures[0] if plan.sweep.measures else "", reason))
            )
    return [one for _, one in sorted(cells, key=lambda pair: pair[0])]


def text_of(interval: Interval | None, digits: int) -> str:
    """Return a value with half the width of its interval, as in ``26.10 ±0.21``."""
    if interval is None:
        return "-"
    spread = "" if interval.low is None else f" ±{interval.half_width:.{digits}f}"
    return f"{number(interval.value, digits)}{spread}"


def rate_text(kind: str, rate: float) -> str:
    """Return a rate with its unit."""
    if kind == "budget_bytes":
        return f"{rate:.0f} bytes" if rate else "codec's own"
    return f"{rate:.0f} uses" if kind == "channel_uses" else f"CBR {rate:g}"


def _point_cells(summary: PointSummary, measure: str, reason: str) -> list[str]:
    return [
        summary.channel,
        summary.codec,
        rate_text(summary.rate_kind, summary.rate),
        f"{summary.snr_db:g}",
        "/".join(map(str, summary.mcs)) or "-",
        str(summary.rows),
        text_of(summary.bler, 3),
        f"{text_of(summary.measures.get(measure), MEASURES[measure].decimals)} {MEASURES[measure].name}"
        if measure
        else "-",
        reason,
    ]


def _make_table(plan: Plan, schedule: Schedule, started_s: float, height: int) -> RenderableType:
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    rows = point_rows(plan, schedule)
    table = Table(caption=_describe(plan, schedule, started_s), caption_justify="left")
    for column in COLUMNS:
        table.add_column(column, justify="left" if column in COLUMNS[:3] else "right", no_wrap=True)
    for row in rows[: max(3, height)]:
        table.add_row(*map(Text, row))
    return table


def _describe(plan: Plan, schedule: Schedule, started_s: float) -> str:
    done = len(schedule.rows)
    made = done - schedule.reused
    elapsed_s = time.monotonic() - started_s
    left = f", about {_duration(elapsed_s / made * schedule.remaining)} left" if made and schedule.remaining else ""
    stopped = sum(1 for point in plan.points if schedule.stop_reason(point))
    known = f", {schedule.reused} from before" if schedule.reused else ""
    return f"{done} of {done + schedule.remaining} rows{known}; {stopped} of {len(plan.points)} points done{left}"


def _duration(seconds: float) -> str:
    if seconds < 100:
        return f"{seconds:.0f} s"
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min"
