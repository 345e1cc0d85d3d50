"""The report of an evaluation: a Markdown table and a plot."""

from __future__ import annotations

import importlib.util
import io
from typing import TYPE_CHECKING, Final

from receiver.metrics.names import MEASURES, PATCH_FID
from semlink.evaluate.pictures import describe_notes
from semlink.evaluate.summary import FRAMING
from semlink.pipeline.coding_spec import AUTOENCODER
from semlink.report.style import label_measure, line_style, plain_label
from semlink.report.text import format_number, markdown_table
from shared.streams import StreamKind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from semlink.evaluate.compare import Comparison
    from semlink.evaluate.summary import Average, Difference

PANEL_INCHES: Final = (4.4, 3.4)
PANEL_COLUMNS: Final = 3
DIFFERENCES: Final = """In percent of the anchor's value, over the pictures that both codecs decoded; PSNR in dB, top-1
and top-5 in percentage points.
"""


def list_measures(averages: Sequence[Average]) -> list[str]:
    """Return the measures that any of ``averages`` has, in the order of the table."""
    return [name for name in MEASURES if any(one.measures.get(name) is not None for one in averages)]


def average_table(averages: Sequence[Average]) -> tuple[list[str], list[list[str]]]:
    """Return headings and rows of the table of means."""
    names = list_measures(averages)
    rows = [
        [one.codec, one.budget, str(len(one.pictures)), f"{one.bytes:.0f}", f"{one.bpp:.4f}"]
        + [format_number(one.measures.get(name), MEASURES[name].decimals) for name in names]
        for one in averages
    ]
    return ["codec", "budget", "pictures", "bytes", "bpp", *(MEASURES[name].heading for name in names)], rows


def difference_table(differences: Sequence[Difference], names: Sequence[str]) -> tuple[list[str], list[list[str]]]:
    """Return headings and rows of the table of differences in the measures ``names``."""
    rows = [
        [one.codec, one.anchor, one.budget, str(one.pictures), f"{one.bytes:+.1f}"]
        + [_format_signed(one.measures.get(name)) for name in names]
        for one in differences
    ]
    return ["codec", "against", "budget", "pictures", "bytes", *(MEASURES[name].heading for name in names)], rows


def stream_table(averages: Sequence[Average]) -> tuple[list[str], list[list[str]]]:
    """Return headings and rows of the table of mean bytes per stream, for the streams that any codec sends."""
    sent = [kind.name for kind in StreamKind if any(one.streams.get(kind.name) for one in averages)]
    kinds = [*sent, FRAMING]
    rows = [
        [one.codec, one.budget, *(format_number(one.streams.get(kind, 0.0), 1) for kind in kinds)] for one in averages
    ]
    return ["codec", "budget", *kinds], rows


def write_markdown(command: str, result: Comparison) -> str:
    """Return the report as Markdown. ``command`` is the command line that made the result."""
    averages, found = result.averages, result.found
    patches = sorted({one.patches for one in averages if one.measures.get(PATCH_FID) is not None})
    parts = [
        "# Evaluation\n",
        f"`{command}`\n",
        "Means over pictures. All bytes of a file count. `docs/evaluate.md` explains measures and codecs.",
    ]
    if patches:
        parts[-1] += f" patch-FID over {' to '.join(str(one) for one in sorted({patches[0], patches[-1]}))} patches."
    parts += ["", markdown_table(*average_table(averages))]
    if result.differences:
        table = difference_table(result.differences, list_measures(averages))
        parts += ["## Differences at equal bytes\n", DIFFERENCES, markdown_table(*table)]
    with_streams = [one for one in averages if one.streams]
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
    """Return a plot as a PNG file: one panel per measure over bits per pixel, one line per codec."""
    from matplotlib.figure import Figure  # noqa: PLC0415 - optional

    names = list_measures(averages)
    columns = min(PANEL_COLUMNS, len(names))
    panel_rows = -(-len(names) // columns)
    codecs = list(dict.fromkeys(one.codec for one in averages))
    figure = Figure(figsize=(PANEL_INCHES[0] * columns, PANEL_INCHES[1] * panel_rows + 0.6), layout="constrained")
    panels = figure.subplots(panel_rows, columns, squeeze=False).ravel()
    for name, panel in zip(names, panels, strict=False):
        for place, codec in enumerate(codecs):
            points = sorted(
                (one.bpp, value)
                for one in averages
                if one.codec == codec and (value := one.measures.get(name)) is not None
            )
            if codec == AUTOENCODER:  # its quality does not depend on the budget
                for _, value in points:
                    panel.axhline(value, label=plain_label(codec), color="black", linestyle="--", linewidth=1)
                continue
            panel.plot([x for x, _ in points], [y for _, y in points], label=plain_label(codec), **line_style(place))
        panel.set(title=label_measure(name), xlabel="rate [bpp]")
        panel.grid(visible=True, alpha=0.3)
    for panel in panels[len(names) :]:
        panel.remove()
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=4, fontsize="small")
    out = io.BytesIO()
    figure.savefig(out, dpi=100)
    return out.getvalue()


def _format_signed(value: float | None) -> str:
    return "-" if value is None else f"{value:+.1f}"
