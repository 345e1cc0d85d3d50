"""The chart of the demo: mean PSNR over SNR of both systems."""

from __future__ import annotations

import io
from dataclasses import dataclass
from statistics import fmean, pstdev
from typing import TYPE_CHECKING, Any, Final

from semlink.demo.runs import CHART_DECODER, CLASSICAL_NAME, SEMLINK_NAME
from semlink.report.style import plain_label
from shared.outcome import LOST

if TYPE_CHECKING:
    from collections.abc import Sequence

    from semlink.demo.runs import Run

DPI: Final = 100
HEIGHT: Final = 520
COLOURS: Final = {CLASSICAL_NAME: "#b3541e", SEMLINK_NAME: "#1f5fa8"}


@dataclass(frozen=True, slots=True)
class Point:
    """The runs of one system at one SNR: mean and standard deviation of their PSNR, and how many pictures were lost."""

    system: str
    snr_db: float
    runs: int
    lost: int
    psnr_db: float
    spread_db: float


def summarise_runs(runs: Sequence[Run]) -> list[Point]:
    """Return a point for each system and SNR, in the order in which they occur."""
    groups: dict[tuple[str, float], list[Run]] = {}
    for run in runs:
        groups.setdefault((run.system, run.snr_db), []).append(run)
    return [
        Point(
            *key,
            runs=len(group),
            lost=sum(run.outcome == LOST for run in group),
            psnr_db=fmean(run.psnr_db for run in group),
            spread_db=pstdev(run.psnr_db for run in group),
        )
        for key, group in groups.items()
    ]


def draw_chart(points: Sequence[Point], channel: str, pictures: int, seeds: int, width: int) -> bytes:
    """Return the chart as a PNG file, ``width`` pixels wide."""
    import matplotlib as mpl  # noqa: PLC0415 - a second to import
    from matplotlib.figure import Figure  # noqa: PLC0415

    with mpl.rc_context({"axes.spines.top": False, "axes.spines.right": False, "font.size": 15}):
        figure = Figure(figsize=(width / DPI, HEIGHT / DPI), layout="constrained")
        panel = figure.subplots()
        for system in dict.fromkeys(point.system for point in points):
            line = sorted((point for point in points if point.system == system), key=lambda point: point.snr_db)
            snrs_db, means_db = [point.snr_db for point in line], [point.psnr_db for point in line]
            style: dict[str, Any] = {
                "color": COLOURS[system],
                "marker": "os"[system == CLASSICAL_NAME],
                "linewidth": 2.5,
            }
            panel.plot(snrs_db, means_db, label=system, **style)
            low_db, high_db = ([point.psnr_db + sign * point.spread_db for point in line] for sign in (-1, 1))
            panel.fill_between(snrs_db, low_db, high_db, color=COLOURS[system], alpha=0.13, linewidth=0)
        panel.set(xlabel="Es/N0 [dB]", ylabel="mean PSNR [dB]", xticks=sorted({point.snr_db for point in points}))
        panel.set_title(
            f"Mean over {pictures} pictures with {seeds} seeds each, channel {plain_label(channel)}; "
            "bands: one standard deviation up and down.\n"
            f"A lost picture counts as its mean colour. Semlink's decoder in this chart: {CHART_DECODER}.",
            fontsize=14,
            loc="left",
        )
        panel.grid(visible=True, alpha=0.25)
        panel.legend(loc="lower right", frameon=False)
        out = io.BytesIO()
        figure.savefig(out, dpi=DPI, format="png")
    return out.getvalue()
