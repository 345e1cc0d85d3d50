"""What an evaluation leaves for people: a Markdown table and a plot."""

from __future__ import annotations

import importlib.util
import io
from typing import TYPE_CHECKING

from receiver.metrics.names import MEASURES, PATCH_FID
from semlink.cli.output import markdown_table, number
from semlink.evaluate.summary import FRAMING
from semlink.pipeline.coding_spec import AUTOENCODER
from shared.streams import StreamKind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from semlink.evaluate.run import Outcome
    from semlink.evaluate.summary import Cell, Difference

PANEL_INCHES = (4.4, 3.4)
PANEL_COLUMNS = 3
DIFFERENCES = """In percent of the anchor's value, over the pictures that both decoded; PSNR in dB, top-1 and top-5 in
percentage points.
"""


def columns_of(cells: Sequence[Cell]) -> list[str]:
    """Return the measures that any of ``cells`` has, in the order of the table."""
    return [name for name in MEASURES if any(cell.measures.get(name) is not None for cell in cells)]


def cell_rows(cells: Sequence[Cell]) -> tuple[list[str], list[list[str]]]:
    """Return headings and rows of the table of means."""
    names = columns_of(cells)
    rows = [
        [cell.codec, cell.budget, str(len(cell.pictures)), f"{cell.bytes:.0f}", f"{cell.bpp:.4f}"]
        + [number(cell.measures.get(name), MEASURES[name].decimals) for name in names]
        for cell in cells
    ]
    return ["codec", "budget", "pictures", "bytes", "bpp", *(MEASURES[name].heading for name in names)], rows


def difference_rows(differences: Sequence[Difference], names: Sequence[str]) -> tuple[list[str], list[list[str]]]:
    """Return headings and rows of the table of differences."""
    rows = [
        [one.codec, one.anchor, one.budget, str(one.pictures), f"{one.bytes:+.1f}"]
        + [_signed(one.measures.get(name)) for name in names]
        for one in differences
    ]
    return ["codec", "against", "budget", "pictures", "bytes", *(MEASURES[name].heading for name in names)], rows


def stream_rows(cells: Sequence[Cell]) -> tuple[list[str], list[list[str]]]:
    """Return headings and rows of the table of mean bytes per stream."""
    kinds = [*(kind.name for kind in StreamKind), FRAMING]
    rows = [[cell.codec, cell.budget, *(number(cell.streams.get(kind, 0.0), 1) for kind in kinds)] for cell in cells]
    return ["codec", "budget", *kinds], rows


def markdown(
    command: str,
    cells: Sequence[Cell],
    differences: Sequence[Difference],
    outcome: Outcome,
) -> str:
    """Return the report of a run; ``outcome`` says what is not in the tables, and why."""
    patches = sorted({cell.patches for cell in cells if cell.measures.get(PATCH_FID) is not None})
    parts = [
        "# Evaluation\n",
        f"`{command}`\n",
        "Means over pictures; every byte of a file counts. `docs/evaluate.md` says what each measure and codec is.",
    ]
    if patches:
        parts[-1] += f" patch-FID over {' to '.join(str(one) for one in sorted({patches[0], patches[-1]}))} patches."
    parts += ["", markdown_table(*cell_rows(cells))]
    if differences:
        parts += [
            "## Differences at equal bytes\n",
            DIFFERENCES,
            markdown_table(*difference_rows(differences, columns_of(cells))),
        ]
    streamed = [cell for cell in cells if cell.streams]
    if streamed:
        parts += ["## Bytes per stream\n", markdown_table(*stream_rows(streamed))]
    if outcome.unavailable:
        parts += ["## Unavailable\n", *(f"- {name}: {reason}" for name, reason in outcome.unavailable.items()), ""]
    if outcome.unreadable:
        parts += ["## Unreadable pictures\n", *(f"- {reason}" for reason in outcome.unreadable.values()), ""]
    if outcome.failed:
        parts += [
            "## Not decoded\n",
            markdown_table(["codec", "budget", "picture", "why"], [list(one) for one in outcome.failed]),
        ]
    return "\n".join(parts)


def plot_missing() -> str:
    """Return why no plot can be drawn, empty where one can."""
    if importlib.util.find_spec("matplotlib") is None:
        return "matplotlib is not installed: pip install 'semlink[training]'"
    return ""


def plot_png(cells: Sequence[Cell]) -> bytes:
    """Return the plot as a PNG file: rate across, one panel per measure, one line per codec."""
    from matplotlib.figure import Figure  # noqa: PLC0415 - optional

    names = columns_of(cells)
    columns = min(PANEL_COLUMNS, len(names))
    panel_rows = -(-len(names) // columns)
    codecs = list(dict.fromkeys(cell.codec for cell in cells))
    figure = Figure(figsize=(PANEL_INCHES[0] * columns, PANEL_INCHES[1] * panel_rows + 0.6), layout="constrained")
    panels = figure.subplots(panel_rows, columns, squeeze=False).ravel()
    for name, panel in zip(names, panels, strict=False):
        for index, codec in enumerate(codecs):
            points = sorted(
                (cell.bpp, value)
                for cell in cells
                if cell.codec == codec and (value := cell.measures.get(name)) is not None
            )
            if codec == AUTOENCODER:  # knows no rate
                for _, value in points:
                    panel.axhline(value, label=codec, color="black", linestyle="--", linewidth=1)
                continue
            style = {"marker": "o^sDvP*X"[index // 10 % 8], "color": f"C{index % 10}", "markersize": 4}
            panel.plot([x for x, _ in points], [y for _, y in points], label=codec, **style)
        panel.set(title=MEASURES[name].heading, xlabel="bpp")
        panel.grid(visible=True, alpha=0.3)
    for panel in panels[len(names) :]:
        panel.remove()
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=4, fontsize="small")
    out = io.BytesIO()
    figure.savefig(out, dpi=100)
    return out.getvalue()


def _signed(value: float | None) -> str:
    return "-" if value is None else f"{value:+.1f}"
