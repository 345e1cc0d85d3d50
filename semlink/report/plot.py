"""Figures of a sweep: quality and losses over SNR, rate and distortion, each as PNG and SVG."""

from __future__ import annotations

import importlib.util
import io
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from channel.phy.capacity import rayleigh_outage
from channel.phy.mcs import mcs
from receiver.metrics.names import MEASURES
from semlink.report.sweep_progress import rate_text
from semlink.sweep.row import REBUILT
from shared.errors import InputError, SetupError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from semlink.sweep.summary import Interval, PointSummary

PANEL_INCHES: Final = (5.2, 3.9)
DPI: Final = 110
WIDE: Final = 10.0
"""Ratio of the largest rate to the smallest from which on rates are drawn on a logarithmic axis."""
MARKERS: Final = "o^sDvP*X"
STYLE: Final[Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "semlink",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "font.size": 9,
}


@dataclass(frozen=True, slots=True)
class Figure:
    """A drawn figure: file name without ending, title, what it shows in a sentence, and the two files."""

    name: str
    title: str
    caption: str
    png: bytes
    svg: bytes


def figures_of(points: Sequence[PointSummary]) -> list[Figure]:
    """Return the figures that ``points`` give something for.

    Raises:
        InputError: there is no point.
        SetupError: matplotlib is not installed.
    """
    if not points:
        raise InputError("there are no rows to draw; give a folder that semlink sweep wrote")
    if importlib.util.find_spec("matplotlib") is None:
        raise SetupError("matplotlib is not installed: pip install 'semlink[sweep]'")
    measures = [name for name in MEASURES if any(name in point.measures for point in points)]
    found: list[Figure | None] = [_quality(points, name) for name in measures]
    found += [_rate_distortion(points, name) for name in measures[:1] + measures[2:3]]
    if any(point.packets for point in points):
        found.append(_bler(points))
    if any(point.streams is not None for point in points):
        found.append(_streams(points))
    return [one for one in found if one is not None]


def lines_of(points: Sequence[PointSummary]) -> dict[str, list[PointSummary]]:
    """Return the points by codec, and by rate where there are several, each line by rising SNR."""
    several = len({(point.rate_kind, point.rate) for point in points}) > 1
    lines: dict[str, list[PointSummary]] = {}
    for point in points:
        name = point.codec + (f", {rate_text(point.rate_kind, point.rate)}" if several else "")
        lines.setdefault(name, []).append(point)
    return {name: sorted(line, key=lambda one: one.snr_db) for name, line in lines.items()}


def _quality(points: Sequence[PointSummary], measure: str) -> Figure:
    what = MEASURES[measure].title

    def draw(panel: Any, line: list[PointSummary], style: dict[str, Any]) -> None:
        line = [point for point in line if measure in point.measures]
        _banded(panel, [point.snr_db for point in line], [point.measures[measure] for point in line], style)

    values = [point.measures[measure].value for point in points if measure in point.measures]
    room = 0.06 * (max(values) - min(values) or 1)
    limits = (min(values) - room, max(values) + room)  # a wide band is cut off rather than the lines pressed flat
    caption = (
        f"{what} is the mean over all pictures, lost ones included as their mean colour. "
        "Bands are 95 % intervals over what the channel draws, the pictures being what they are."
    )
    return _over_snr((f"quality-{measure}", f"{what} over SNR", caption), points, _label(measure), draw, ylim=limits)


def _bler(points: Sequence[PointSummary]) -> Figure:
    least = min((1 / point.packets for point in points if point.packets), default=1e-3)

    def draw(panel: Any, line: list[PointSummary], style: dict[str, Any]) -> None:
        line = [point for point in line if point.packets]
        x = [point.snr_db for point in line]
        y = [point.bler.value or math.nan for point in line]
        panel.plot(x, y, **style)
        for point in line:
            if point.bler.low is not None and point.bler.value:
                panel.vlines(point.snr_db, max(point.bler.low, least / 3), point.bler.high, color=style["color"], lw=1)
        whole = [point for point in line if point.bler.high is not None and not point.failed]
        bounds = [point.bler.high for point in whole]
        none_lost = {"color": style["color"], "linestyle": "none", "marker": "v", "markersize": 5, "fillstyle": "none"}
        panel.plot([point.snr_db for point in whole], bounds, **none_lost)
        schemes = {one for point in line for one in point.mcs}
        if len(schemes) == 1:
            _capacity_limit(panel, line, schemes.pop(), style["color"])

    caption = (
        "Packets that did not arrive over packets, with Wilson's 95 % interval. An open triangle is its upper end "
        "where no packet was lost: BLER lies below it. "
        "Dashed, for codecs of one MCS: what no code of that rate passes, the SNR at which capacity is its rate over "
        "AWGN, the outage probability over Rayleigh fading that stays for a packet."
    )
    named = ("bler", "BLER over SNR", caption)
    return _over_snr(named, points, "BLER", draw, yscale="log", ylim=(least / 2, 1.6))


def _streams(points: Sequence[PointSummary]) -> Figure:
    def draw(panel: Any, line: list[PointSummary], style: dict[str, Any]) -> None:
        line = [point for point in line if point.streams is not None]
        if line:
            panel.plot([point.snr_db for point in line], [point.streams for point in line], **style)

    caption = "Streams of guidance that came whole, as a share of those sent; classical files have none."
    named = ("streams", "Streams over SNR", caption)
    return _over_snr(named, points, "share of streams that came whole", draw, ylim=(-0.03, 1.03))


def _rate_distortion(points: Sequence[PointSummary], measure: str) -> Figure | None:
    """Return quality over rate of the points at which nothing was lost, None if there is no such point."""
    whole = [point for point in points if set(point.endings) == {REBUILT} and measure in point.measures]
    if not whole:
        return None
    with _styled() as pyplot:
        figure, panel = pyplot(1)
        for place, (codec, line) in enumerate(_by_codec(points, whole).items()):
            at = sorted({point.bpp: point.measures[measure].value for point in line}.items())
            panel[0].plot([x for x, _ in at], [y for _, y in at], label=codec, **_style(place))
        rates = [point.bpp for point in whole]
        panel[0].set(xlabel="bpp of the file", ylabel=_label(measure))
        if max(rates) >= WIDE * min(rates):
            from matplotlib.ticker import LogLocator, NullFormatter  # noqa: PLC0415 - loaded by now

            panel[0].set_xscale("log")
            panel[0].xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
            panel[0].xaxis.set_major_formatter("{x:g}")
            panel[0].xaxis.set_minor_formatter(NullFormatter())
        else:
            panel[0].locator_params(axis="x", nbins=6)
        what = MEASURES[measure].title
        caption = f"{what} over the bytes of the file, at the points where every picture came whole."
        return _finished(figure, panel, (f"rate-distortion-{measure}", f"{what} over bpp", caption))


def _by_codec(points: Sequence[PointSummary], chosen: Sequence[PointSummary]) -> dict[str, list[PointSummary]]:
    codecs = dict.fromkeys(point.codec for point in points)
    return {codec: [point for point in chosen if point.codec == codec] for codec in codecs}


def _label(measure: str) -> str:
    """Return the title of a measure with its unit, and an arrow to where it is better."""
    info = MEASURES[measure]
    return f"{info.title}{f' [{info.unit}]' if info.unit else ''} {info.arrow}"


def _over_snr(
    named: tuple[str, str, str],
    points: Sequence[PointSummary],
    label: str,
    draw: Callable[[Any, list[PointSummary], dict[str, Any]], None],
    **axes: Any,
) -> Figure:
    """Return a figure with a panel per channel and a line per codec; ``named`` are name, title and caption."""
    channels = list(dict.fromkeys(point.channel for point in points))
    names = list(lines_of(points))
    snrs = [point.snr_db for point in points]
    room = 0.03 * (max(snrs) - min(snrs) or 1)
    span = (min(snrs) - room, max(snrs) + room)
    with _styled() as pyplot:
        figure, panels = pyplot(len(channels))
        for channel, panel in zip(channels, panels, strict=True):
            lines = lines_of([point for point in points if point.channel == channel])
            for place, line_name in enumerate(names):
                if line_name in lines:
                    draw(panel, lines[line_name], {"label": line_name, **_style(place)})
            panel.set(title=channel, xlabel="SNR [dB]", xlim=span, **axes)
        panels[0].set_ylabel(label)
        return _finished(figure, panels, named)


def _banded(panel: Any, x: list[float], y: list[Interval], style: dict[str, Any]) -> None:
    """Draw a line with its band of confidence, where there is one."""
    panel.plot(x, [one.value for one in y], **style)
    low = [math.nan if one.low is None else one.low for one in y]
    high = [math.nan if one.high is None else one.high for one in y]
    panel.fill_between(x, low, high, color=style["color"], alpha=0.15, linewidth=0)


def _capacity_limit(panel: Any, line: list[PointSummary], index: int, colour: str) -> None:
    rate = mcs(index).spectral_efficiency
    dashed = {"color": colour, "linestyle": "--", "linewidth": 0.9, "alpha": 0.8}
    if line[0].channel == "awgn":
        panel.axvline(10 * math.log10(2**rate - 1), **dashed)
    elif line[0].channel == "rayleigh":
        grid = np.linspace(line[0].snr_db, line[-1].snr_db, 100)
        panel.plot(grid, [rayleigh_outage(rate, float(db)) for db in grid], **dashed)


def _style(place: int) -> dict[str, Any]:
    return {"color": f"C{place % 10}", "marker": MARKERS[place % len(MARKERS)], "markersize": 4, "linewidth": 1.4}


class _styled:  # noqa: N801 - used as a function is
    """Yields a maker of figures; matplotlib's settings are as before at the end."""

    def __enter__(self) -> Callable[[int], tuple[Any, list[Any]]]:
        import matplotlib as mpl  # noqa: PLC0415 - optional, and a second to import

        self._context = mpl.rc_context(STYLE)
        self._context.__enter__()

        def made(columns: int) -> tuple[Any, list[Any]]:
            from matplotlib.figure import Figure as Drawing  # noqa: PLC0415

            width, height = PANEL_INCHES
            drawing = Drawing(figsize=(width * columns, height + 0.8), layout="constrained")
            return drawing, list(drawing.subplots(1, columns, squeeze=False, sharey=True).ravel())

        return made

    def __exit__(self, *exc_info: object) -> None:
        self._context.__exit__(None, None, None)


def _finished(figure: Any, panels: list[Any], named: tuple[str, str, str]) -> Figure:
    handles: dict[str, Any] = {}
    for panel in panels:
        panel.grid(visible=True, alpha=0.25)
        lines, labels = panel.get_legend_handles_labels()
        handles |= dict(zip(labels, lines, strict=True))
    columns = 4 if len(panels) > 1 else 2
    figure.legend(list(handles.values()), list(handles), loc="outside lower center", ncols=columns, fontsize="small")
    png, svg = io.BytesIO(), io.BytesIO()
    figure.savefig(png, dpi=DPI, format="png")
    figure.savefig(svg, format="svg", metadata={"Date": None})
    return Figure(*named, png.getvalue(), svg.getvalue())
