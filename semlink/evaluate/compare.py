"""Codecs compared at equal bytes: from pictures to rows, a table and a plot on disk."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from receiver.metrics.names import PATCH_FID
from semlink.evaluate.pictures import budgets_in
from semlink.evaluate.report import markdown, plot_missing, plot_png
from semlink.evaluate.results import Results
from semlink.evaluate.run import Evaluation
from semlink.evaluate.summary import PatchFid, cells_of, differences, mean_cell, stream_bytes
from semlink.pipeline.coding_spec import split_codec_names
from shared.files import write_file

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from receiver.metrics.reporter import Measures
    from semlink.evaluate.run import Outcome
    from semlink.evaluate.summary import Cell, Difference


@dataclass(frozen=True, slots=True)
class Comparison:
    """Result of ``compare_codecs``.

    Attributes:
        outcome: all rows, and the codecs, pictures and measures that failed.
        cells: means by codec and budget.
        differences: each codec against the anchors.
        results: file with a JSON line per row.
        table: file with the tables, in Markdown.
        plot: file with the plot; None if there is none.
        plot_missing: why there is no plot; empty if there is one.
    """

    outcome: Outcome
    cells: list[Cell]
    differences: list[Difference]
    results: Path
    table: Path
    plot: Path | None
    plot_missing: str


def compare_codecs(
    files: Sequence[Path],
    codecs: str,
    budgets: str,
    save: Path,
    *,
    device: str,
    tasks: Sequence[str],
    command: str,
    on_picture: Callable[[str], None],
) -> Comparison:
    """Evaluate ``codecs`` on ``files`` at ``budgets``; write files, ``results.jsonl``, ``table.md`` and ``rd.png``.

    Args:
        files: picture files.
        codecs: names with commas between.
        budgets: bytes per picture, with commas between; or ``vvc``, ``q52`` ...
        save: folder for all files; rows that it holds already are not made again.
        device: where decoders and measures compute, ``cpu``, ``cuda`` ...; empty: cuda if there is one, else cpu.
        tasks: models as KIND=MODEL whose answers on original and decoded picture are compared.
        command: the command line, for the table.
        on_picture: called with the name of each picture before it is evaluated.

    Raises:
        InputError: pictures, codecs, budgets or the folder are refused.
        SetupError: none of the codecs is available, or there is no such device.
    """
    names, wanted = split_codec_names(codecs), budgets_in(budgets)
    results = Results(save)
    from receiver.metrics.reporter import Measures  # noqa: PLC0415 - imports torch; arguments are checked first
    from receiver.metrics.tasks import tasks_in  # noqa: PLC0415
    from receiver.pocket.devices import device_named  # noqa: PLC0415
    from semlink.pipeline.pipeline import Pipeline  # noqa: PLC0415

    torch_device = str(device_named(device))
    measures = Measures(device=torch_device, tasks=tasks_in(tasks, torch_device))
    evaluation = Evaluation(names, results, measures, Pipeline(device))
    evaluation.run(files, wanted, on_picture)

    outcome = evaluation.outcome
    outcome.rows.sort(key=lambda row: names.index(row.codec))
    outcome.unavailable |= measures.unavailable
    cells = _make_cells(outcome, measures, save)
    against = differences(outcome.rows, cells)
    table, plot, missing = save / "table.md", save / "rd.png", plot_missing()
    write_file(table, markdown(command, cells, against, outcome).encode())
    if not missing:
        write_file(plot, plot_png(cells))
    return Comparison(outcome, cells, against, results.path, table, None if missing else plot, missing)


def _make_cells(outcome: Outcome, measures: Measures, save: Path) -> list[Cell]:
    """Return the means by codec and budget, in the order of the rows."""
    rows_of_cells = cells_of(outcome.rows).values()
    if measures.classifier is None:
        outcome.unavailable[PATCH_FID] = measures.unavailable["top1"]
        cells = [mean_cell(rows) for rows in rows_of_cells]
    else:
        patch_fid = PatchFid(measures.classifier, save)
        cells = [mean_cell(rows, patch_fid.of(rows)) for rows in rows_of_cells]
    return [replace(cell, streams=stream_bytes(rows, save)) for cell, rows in zip(cells, rows_of_cells, strict=True)]
