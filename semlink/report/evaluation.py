"""The report of an evaluation: a Markdown table and a plot."""

from __future__ import annotations

import importlib.util
import io
from typing import TYPE_CHECKING, Any, Final

from receiver.metrics.names import MEASURES, PATCH_FID
from semlink.evaluate.pictures import describe_notes
from semlink.evaluate.summary import FRAMING
from semlink.report.style import label_measure, legend_columns, line_style, plain_label
from semlink.report.text import format_count, format_number, markdown_table
from shared.streams import StreamKind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from semlink.evaluate.compare import Comparison
    from semlink.evaluate.summary import Average, Difference

PANEL_INCHES: Final = (4.4, 3.4)
PANEL_COLUMNS: Final = 3
X_TICKS: Final = 5
DIFFERENCES: Final = """In percent of the anchor's value, over the pictures that both codecs decoded and that have the
measure; PSNR in dB, top-1 and top-5 in percentage points.
"""


def list_measures(averages: Sequence[Average]) -> list[str]:
    """Return the measures that any of ``averages`` has, in the order of the table."""
    return [name for name in MEASURES if any(one.measures.get(name) is not None for one in averages)]


def average_table(averages: Sequence[Average]) -> tuple[list[str], list[list[str]]]:
    """Return headings and rows of the table of means."""
    names, most = list_measures(averages), most_pictures(averages)
    rows = [
        [one.codec, one.budget, _format_pictures(one, most), f"{one.bytes:.0f}", f"{one.bpp:.4f}"]
        + [_format_mean(one, name) for name in names]
        for one in averages
    ]
    return ["codec", "budget", "pictures", "bytes", "bpp", *(MEASURES[name].heading for name in names)], rows


def most_pictures(averages: Sequence[Average]) -> int:
    """Return the largest number of pictures that a codec decoded at one budget."""
    return max((len(one.pictures) for one in averages), default=0)


def _format_pictures(average: Average, most: int) -> str:
    """Return the number of pictures, as ``3 of 9`` where others have more: a mean over fewer is another quantity."""
    count = len(average.pictures)
    return f"{count} of {most}" if count < most else str(count)


def _format_mean(average: Average, name: str) -> str:
    """Return the mean of a measure, and of how many pictures if some lack it."""
    text = format_number(average.measures.get(name), MEASURES[name].decimals)
    return text + format_count(average.counts.get(name, 0), len(average.pictures))


def difference_table(differences: Sequence[Difference], names: Sequence[str]) -> tuple[list[str], list[list[str]]]:
    """Return headings and rows of the table of differences in the measures ``names``."""
    rows = [
        [one.codec, one.anchor, one.budget, str(one.pictures), f"{one.bytes:+.1f}"]
        + [
            _format_signed(one.measures.get(name)) + format_count(one.counts.get(name, 0), one.pictures)
            for name in names
        ]
        for one in differences
    ]
    return ["codec", "against", "budget", "pictures", "bytes", *(MEASURES[name].heading for name in names)], rows


def stream_table(averages: Sequence[Average]) -> tuple[list[str], list[list[str]]]:
    """Return headings and rows of the table of mean bytes per stream, for the streams that any codec sends."""
    sent = [kind.name for kind in StreamKind if any(one.stream_bytes.get(kind.name) for one in averages)]
    kinds = [*sent, FRAMING]
    rows = [
        [one.codec, one.budget, *(format_number(one.stream_bytes.get(kind, 0.0), 1) for kind in kinds)]
        for one in averages
    ]
    return ["codec", "budget", *kinds], rows


def write_markdown(command: str, result: Comparison) -> str:
    """Return the report as Markdown. ``command`` is the command line that made the result."""
    averages, found = result.averages, result.found
    patches = sorted({one.patches for one in averages if one.measures.get(PATCH_FID) is not None})
    parts = [
        "# Evaluation\n",
        f"`{command}`\n",
        "Means over pictures; in brackets how many of them have the measure, if not all. All bytes of a file count.",
        "`docs/evaluate.md` explains measures and codecs.",
    ]
    if patches:
        parts[-1] += f" patch-FID over {' to '.join(str(one) for one in sorted({patches[0], patches[-1]}))} patches."
    parts += ["", markdown_table(*average_table(averages))]
    if result.differences:
        table = difference_table(result.differences, list_measures(averages))
        parts += ["## Differences at equal bytes\n", DIFFERENCES, markdown_table(*table)]
    with_streams = [one for one in averages if one.stream_bytes]
    if with_streams:
        parts += ["## Bytes per stream\n", markdown_table(*stream_table(with_streams))]
    if found.unavailable:
        parts += ["## Unavailable\n", *(f"- {name}: {reason}" for name, reason in found.unavailable.items()), ""]
    if found.unreadable:
        parts += ["## Unreadable pictures\n", *(f"- {reason}" for reason in found.unreadable.values()), ""]
    if found.notes:
        parts += ["## Notes on pictures\n", *(f"- {note}" for note in describe_notes(found.notes)), ""]
    if found.not_decoded:
        rows = [[one.codec, one.budget, one.picture, one.reason] for one in found.not_decoded]
        parts += ["## Not decoded\n", markdown_table(["codec", "budget", "picture", "reason"], rows)]
    return "\n".join(parts)


def explain_no_plot() -> str:
    """Return why no plot can be drawn; empty if one can."""
    if importlib.util.find_spec("matplotlib") is None:
        return "matplotlib is not installed: pip install jinja2 matplotlib pyarrow"
    return ""


def draw_plot(averages: Sequence[Average]) -> bytes:
    """Return a plot as a PNG file: one panel per measure over bits per pixel, one line per codec.

    The marker of a mean over fewer pictures than others is hollow.
    """
    from matplotlib.figure import Figure  # noqa: PLC0415 - optional
    from matplotlib.lines import Line2D  # noqa: PLC0415

    names, most = list_measures(averages), most_pictures(averages)
    columns = min(PANEL_COLUMNS, len(names))
    panel_rows = -(-len(names) // columns)
    codecs = list(dict.fromkeys(one.codec for one in averages))
    figure = Figure(figsize=(PANEL_INCHES[0] * columns, PANEL_INCHES[1] * panel_rows + 0.6), layout="constrained")
    panels = figure.subplots(panel_rows, columns, squeeze=False).ravel()
    for name, panel in zip(names, panels, strict=False):
        for place, codec in enumerate(codecs):
            _draw_codec(panel, [one for one in averages if one.codec == codec], name, most, line_style(place))
        panel.set(title=label_measure(name), xlabel="rate [bpp]")
        panel.locator_params(axis="x", nbins=X_TICKS)
        panel.grid(visible=True, alpha=0.3)
    for panel in panels[len(names) :]:
        panel.remove()
    handles, labels = panels[0].get_legend_handles_labels()
    if any(len(one.pictures) < most for one in averages):
        handles.append(Line2D([], [], color="grey", marker="o", fillstyle="none", linestyle="none"))
        labels.append(f"fewer than {most} pictures")
    in_a_row = legend_columns(labels, PANEL_INCHES[0] * columns)
    figure.legend(handles, labels, loc="outside lower center", ncols=in_a_row, fontsize="small")
    out = io.BytesIO()
    figure.savefig(out, dpi=100)
    return out.getvalue()


def _draw_codec(panel: Any, averages: Sequence[Average], name: str, most: int, style: dict[str, Any]) -> None:
    """Draw the means of one codec in the panel of a measure."""
    points = sorted(
        (one.bpp, value, len(one.pictures) < most) for one in averages if (value := one.measures.get(name)) is not None
    )
    panel.plot([x for x, _, _ in points], [y for _, y, _ in points], label=plain_label(averages[0].codec), **style)
    hollow = [(x, y) for x, y, fewer in points if fewer]
    panel.plot([x for x, _ in hollow], [y for _, y in hollow], **style | {"linestyle": "none", "mfc": "white"})


def _format_signed(value: float | None) -> str:
    return "-" if value is None else f"{value:+.1f}"
