"""Figures of a sweep: quality and losses over SNR, and distortion over rate, each as PNG and SVG."""

from __future__ import annotations

import contextlib
import importlib.util
import io
import math
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from channel.phy.capacity import rayleigh_outage
from channel.phy.mcs import mcs
from receiver.metrics.names import MEASURES
from semlink.report.style import label_measure, legend_columns, line_style, plain_label
from semlink.report.text import format_rate
from shared.errors import InputError, SetupError
from shared.outcome import REBUILT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from semlink.sweep.summary import Interval, PointSummary

    DrawLine = Callable[[Any, list[PointSummary], dict[str, Any]], None]

PANEL_INCHES: Final = (5.2, 3.9)
DPI: Final = 110
LOG_RATIO: Final = 10.0
"""Largest rate over smallest rate from which the axis is logarithmic."""
STYLE: Final[Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "semlink",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "font.size": 9,
}


@dataclass(frozen=True, slots=True)
class Figure:
    """A drawn figure: name of its files without ending, title, caption, both files, and how many panels wide it is."""

    name: str
    title: str
    caption: str
    png: bytes
    svg: bytes
    panels: int = 1


def draw_figures(points: Sequence[PointSummary]) -> list[Figure]:
    """Return all figures for which ``points`` have data.

    Raises:
        InputError: there is no point.
        SetupError: matplotlib is not installed.
    """
    if not points:
        raise InputError("there are no rows to draw; give a folder that semlink sweep wrote")
    if importlib.util.find_spec("matplotlib") is None:
        raise SetupError("matplotlib is not installed: pip install jinja2 matplotlib pyarrow")
    measures = [name for name in MEASURES if any(name in point.measures for point in points)]
    figures: list[Figure | None] = [_draw_quality(points, name) for name in measures]
    figures += [_draw_rate_distortion(points, name) for name in measures]
    if any(point.packets for point in points):
        figures.append(_draw_bler(points))
    if any(point.complete_streams is not None for point in points):
        figures.append(_draw_streams(points))
    return [one for one in figures if one is not None]


def group_lines(points: Sequence[PointSummary]) -> dict[str, list[PointSummary]]:
    """Return the points of each line by rising SNR. A line is a codec, at one rate if there are several rates."""
    several = len({(point.rate_kind, point.rate) for point in points}) > 1
    lines: dict[str, list[PointSummary]] = {}
    for point in points:
        name = point.codec + (f", {format_rate(point.rate_kind, point.rate)}" if several else "")
        lines.setdefault(name, []).append(point)
    return {name: sorted(line, key=lambda one: one.snr_db) for name, line in lines.items()}


def _draw_quality(points: Sequence[PointSummary], measure: str) -> Figure:
    title = MEASURES[measure].title

    def draw_line(panel: Any, line: list[PointSummary], style: dict[str, Any]) -> None:
        line = [point for point in line if measure in point.measures]
        _draw_band(panel, [point.snr_db for point in line], [point.measures[measure] for point in line], style)

    values = [point.measures[measure].value for point in points if measure in point.measures]
    margin = 0.06 * (max(values) - min(values) or 1)
    limits = (min(values) - margin, max(values) + margin)  # wide bands are cut off, so that the lines stay readable
    caption = (
        f"Mean {title} over all pictures. A lost picture counts as its mean colour. "
        "Bands are 95 % intervals of this mean over the random channel."
    )
    named = (f"quality-{measure}", f"{title} over SNR", caption)
    names = list(group_lines(points))
    return _draw_over_snr(named, points, label_measure(measure), draw_line, names, ylim=limits)


def _draw_bler(points: Sequence[PointSummary]) -> Figure:
    with_packets = [point for point in points if point.packets]
    least = min(1 / point.packets for point in with_packets)

    def draw_line(panel: Any, line: list[PointSummary], style: dict[str, Any]) -> None:
        panel.plot([point.snr_db for point in line], [point.bler.value or math.nan for point in line], **style)
        for point in line:
            if point.bler.low is not None and point.bler.value:
                panel.vlines(point.snr_db, max(point.bler.low, least / 3), point.bler.high, color=style["color"], lw=1)
        lossless = [point for point in line if point.bler.high is not None and not point.failed]
        triangle = {"color": style["color"], "linestyle": "none", "marker": "v", "markersize": 5, "fillstyle": "none"}
        panel.plot([point.snr_db for point in lossless], [point.bler.high for point in lossless], **triangle)
        schemes = {one for point in line for one in point.mcs}
        if len(schemes) == 1:
            _draw_capacity_limit(panel, line, schemes.pop(), style["color"])

    caption = (
        "Block error rate (BLER): lost packets over sent packets, with Wilson's 95 % interval. If no packet was lost, "
        "an open triangle marks the upper end of the interval. Dashed, for codecs with one MCS: the limit of every "
        "code of that rate. Over AWGN it is the SNR at which the capacity is the code's rate; over Rayleigh fading it "
        "is the outage probability of a fade that lasts a packet."
    )
    named = ("bler", "BLER over SNR", caption)
    names = list(group_lines(points))
    return _draw_over_snr(named, with_packets, "BLER", draw_line, names, yscale="log", ylim=(least / 2, 1.6))


def _draw_streams(points: Sequence[PointSummary]) -> Figure:
    def draw_line(panel: Any, line: list[PointSummary], style: dict[str, Any]) -> None:
        panel.plot([point.snr_db for point in line], [point.complete_streams for point in line], **style)

    caption = "Streams that arrived complete, as a share of the streams sent. Classical files have no streams."
    named = ("streams", "Complete streams over SNR", caption)
    with_streams = [point for point in points if point.complete_streams is not None]
    names = list(group_lines(points))
    return _draw_over_snr(named, with_streams, "share of complete streams", draw_line, names, ylim=(-0.03, 1.03))


def _draw_rate_distortion(points: Sequence[PointSummary], measure: str) -> Figure | None:
    """Return quality over rate at the points where no picture was lost, None if there is no such point."""
    lossless = [point for point in points if set(point.endings) == {REBUILT} and measure in point.measures]
    if not lossless:
        return None
    with _open_figure(1) as (figure, panels):
        codecs = list(dict.fromkeys(point.codec for point in points))
        for place, codec in enumerate(codecs):
            line = [point for point in lossless if point.codec == codec]
            at = sorted({point.bpp: point.measures[measure].value for point in line}.items())
            panels[0].plot([x for x, _ in at], [y for _, y in at], label=plain_label(codec), **line_style(place))
        rates = [point.bpp for point in lossless]
        panels[0].set(xlabel="rate [bpp]", ylabel=label_measure(measure))
        if max(rates) >= LOG_RATIO * min(rates):
            from matplotlib.ticker import LogLocator, NullFormatter  # noqa: PLC0415 - loaded by now

            panels[0].set_xscale("log")
            panels[0].xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
            panels[0].xaxis.set_major_formatter("{x:g}")
            panels[0].xaxis.set_minor_formatter(NullFormatter())
        else:
            panels[0].locator_params(axis="x", nbins=6)
        title = MEASURES[measure].title
        caption = f"{title} over the size of the file, at the points where no picture was lost."
        return _finish(figure, panels, (f"rate-distortion-{measure}", f"{title} over rate", caption))


def _draw_over_snr(
    named: tuple[str, str, str],
    points: Sequence[PointSummary],
    label: str,
    draw_line: DrawLine,
    names: Sequence[str],
    **axes: Any,
) -> Figure:
    """Return a figure with a panel per channel and a line per codec. ``named`` is its name, title and caption.

    ``names`` are the lines of all figures, so that a codec has the same colour in each.
    """
    channels = list(dict.fromkeys(point.channel for point in points))
    snrs = [point.snr_db for point in points]
    margin = 0.03 * (max(snrs) - min(snrs) or 1)
    span = (min(snrs) - margin, max(snrs) + margin)
    with _open_figure(len(channels)) as (figure, panels):
        for channel, panel in zip(channels, panels, strict=True):
            lines = group_lines([point for point in points if point.channel == channel])
            for place, line_name in enumerate(names):
                if line_name in lines:
                    draw_line(panel, lines[line_name], {"label": plain_label(line_name), **line_style(place)})
            panel.set(title=plain_label(channel), xlabel="SNR [dB]", xlim=span, **axes)
        panels[0].set_ylabel(label)
        return _finish(figure, panels, named)


def _draw_band(panel: Any, x: list[float], y: list[Interval], style: dict[str, Any]) -> None:
    """Draw a line with the band of its intervals."""
    panel.plot(x, [one.value for one in y], **style)
    low = [math.nan if one.low is None else one.low for one in y]
    high = [math.nan if one.high is None else one.high for one in y]
    panel.fill_between(x, low, high, color=style["color"], alpha=0.15, linewidth=0)


def _draw_capacity_limit(panel: Any, line: list[PointSummary], index: int, colour: str) -> None:
    rate = mcs(index).spectral_efficiency
    dashed = {"color": colour, "linestyle": "--", "linewidth": 0.9, "alpha": 0.8}
    if line[0].channel == "awgn":
        panel.axvline(10 * math.log10(2**rate - 1), **dashed)
    elif line[0].channel == "rayleigh":
        grid = np.linspace(line[0].snr_db, line[-1].snr_db, 100)
        panel.plot(grid, [rayleigh_outage(rate, float(db)) for db in grid], **dashed)


@contextlib.contextmanager
def _open_figure(columns: int) -> Iterator[tuple[Any, list[Any]]]:
    """Yield a figure and its panels in a row. matplotlib's settings are restored at the end."""
    import matplotlib as mpl  # noqa: PLC0415 - optional, and a second to import
    from matplotlib.figure import Figure as Drawing  # noqa: PLC0415

    width, height = PANEL_INCHES
    with mpl.rc_context(STYLE):
        drawing = Drawing(figsize=(width * columns, height + 0.8), layout="constrained")
        yield drawing, list(drawing.subplots(1, columns, squeeze=False, sharey=True).ravel())


def _finish(figure: Any, panels: list[Any], named: tuple[str, str, str]) -> Figure:
    """Return ``figure`` with grid and legend as files. ``named`` is its name, title and caption."""
    handles: dict[str, Any] = {}
    for panel in panels:
        panel.grid(visible=True, alpha=0.25)
        lines, labels = panel.get_legend_handles_labels()
        handles |= dict(zip(labels, lines, strict=True))
    columns = legend_columns(list(handles), PANEL_INCHES[0] * len(panels))
    figure.legend(list(handles.values()), list(handles), loc="outside lower center", ncols=columns, fontsize="small")
    png, svg = io.BytesIO(), io.BytesIO()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph")  # a name in a script that the font lacks shows boxes
        figure.savefig(png, dpi=DPI, format="png")
        figure.savefig(svg, format="svg", metadata={"Date": None})
    return Figure(*named, png.getvalue(), svg.getvalue(), len(panels))
