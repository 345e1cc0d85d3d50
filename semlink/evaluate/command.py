"""The command: from its arguments to files and what it prints."""

from __future__ import annotations

import shlex
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

from receiver.metrics.names import PATCH_FID
from semlink.cli.output import print_json, print_table, progress_bar
from semlink.evaluate.pictures import budgets_in, picture_files
from semlink.evaluate.report import cell_rows, markdown, plot_missing, plot_png
from semlink.evaluate.results import Results
from semlink.evaluate.run import Evaluation
from semlink.evaluate.summary import PatchFid, cells_of, differences, mean_cell, stream_bytes
from semlink.pipeline.coding_spec import split_codec_names
from shared.files import write_file

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from receiver.metrics.reporter import Measures
    from semlink.evaluate.run import Outcome
    from semlink.evaluate.summary import Cell


def evaluate(
    paths: Sequence[Path],
    codecs: str,
    budgets: str,
    save: Path,
    *,
    device: str = "",
    tasks: Sequence[str] = (),
    as_json: bool,
) -> None:
    """Evaluate the pictures at ``paths``; leave files, ``results.jsonl``, ``table.md`` and ``rd.png`` in ``save``.

    Decoders and measures compute on ``device``, "cpu" or "cuda"; the empty one is CUDA where there is one. ``tasks``
    names models, as KIND=MODEL, whose answers on original and decoded picture are compared.

    Raises:
        InputError: pictures, codecs, budgets or the folder are not as they must be.
        SetupError: none of the codecs can be had, or there is no such device.
    """
    names, wanted, files = split_codec_names(codecs), budgets_in(budgets), picture_files(paths)
    results = Results(save)
    from receiver.metrics.reporter import Measures  # noqa: PLC0415 - arguments are checked first
    from receiver.metrics.tasks import tasks_in  # noqa: PLC0415
    from receiver.pocket.devices import device_named  # noqa: PLC0415
    from semlink.pipeline.pipeline import Pipeline  # noqa: PLC0415

    torch_device = device_named(device)

    with progress_bar(len(files), quiet=as_json) as on_stage:
        measures = Measures(device=str(torch_device), tasks=tasks_in(tasks, str(torch_device)))
        evaluation = Evaluation(names, results, measures, Pipeline(device))

        def on_picture(name: str) -> None:
            on_stage("done", 1.0)
            on_stage(name, 0.0)

        evaluation.run(files, wanted, on_picture)
    outcome = evaluation.outcome
    outcome.rows.sort(key=lambda row: names.index(row.codec))
    outcome.unavailable |= measures.unavailable
    cells = _cells(outcome, measures, save)
    against = differences(outcome.rows, cells)
    missing = plot_missing()
    if not missing:
        write_file(save / "rd.png", plot_png(cells))
    said = [*(["--device", device] if device else []), *(word for task in tasks for word in ("--task", task))]
    command = shlex.join(["semlink", "evaluate", *map(str, paths), "--codec", codecs, "--bytes", budgets, *said])
    table = markdown(command, cells, against, outcome)
    write_file(save / "table.md", table.encode())
    if as_json:
        document: dict[str, Any] = {
            "table": str(save / "table.md"),
            "plot": None if missing else str(save / "rd.png"),
            "results": str(results.path),
            "cells": [asdict(cell) | {"pictures": len(cell.pictures)} for cell in cells],
            "differences": [asdict(one) for one in against],
            "unavailable": outcome.unavailable | ({"plot": missing} if missing else {}),
            "unreadable": outcome.unreadable,
            "failed": [dict(zip(("codec", "budget", "picture", "reason"), one, strict=True)) for one in outcome.failed],
        }
        print_json(document)
        return
    print_table(f"{len(files) - len(outcome.unreadable)} pictures", *cell_rows(cells))
    for name, reason in outcome.unavailable.items():
        print(f"unavailable: {name}: {reason}")
    for reason in outcome.unreadable.values():
        print(f"unreadable: {reason}")
    for codec, budget, picture, reason in outcome.failed:
        print(f"not decoded: {codec} at {budget} for {picture}: {reason}")
    if missing:
        print(f"no plot: {missing}")
    print(f"Look at {save / 'table.md'}" + ("" if missing else f" and {save / 'rd.png'}"))


def _cells(outcome: Outcome, measures: Measures, save: Path) -> list[Cell]:
    """Return the means of every codec and budget, sorted as the codecs came."""
    if measures.classifier is None:
        outcome.unavailable[PATCH_FID] = measures.unavailable["top1"]
        cells = [mean_cell(rows) for rows in cells_of(outcome.rows).values()]
    else:
        patch_fid = PatchFid(measures.classifier, save)
        cells = [mean_cell(rows, patch_fid.of(rows)) for rows in cells_of(outcome.rows).values()]
    rows_of_cells = cells_of(outcome.rows).values()
    return [replace(cell, streams=stream_bytes(rows, save)) for cell, rows in zip(cells, rows_of_cells, strict=True)]
