"""``semlink evaluate``: codecs compared at equal bytes."""

from __future__ import annotations

import shlex
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from semlink.cli.options import Device, Json
from semlink.cli.output import print_json, print_table, progress_bar

if TYPE_CHECKING:
    from collections.abc import Sequence

    from semlink.evaluate.compare import Comparison


def evaluate(
    pictures: Annotated[list[Path], typer.Argument(help="Picture files, or folders of them.", metavar="PICTURES")],
    codec: Annotated[
        str,
        typer.Option(
            "--codec",
            help="Codecs with commas between: hci, hci@pocket:steps=4, avif ...; docs/evaluate.md lists all.",
            metavar="NAME,...",
        ),
    ] = "hci,avif-esrgan,avif,hevc,webp,jpeg2000",
    budgets: Annotated[
        str,
        typer.Option(
            "--bytes",
            help="Most bytes of each picture's file, as 800 or 0.02bpp with commas between. vvc: the bytes of the "
            "picture's own VVC files; q52: those of the VVC file at quantiser 52.",
            metavar="BYTES,...",
        ),
    ] = "0.02bpp,0.03bpp",
    save: Annotated[
        Path, typer.Option(help="Folder for files, decoded pictures, results, table and plot.", metavar="FOLDER")
    ] = Path("out/evaluate"),
    task: Annotated[
        list[str] | None,
        typer.Option(
            "--task",
            help="Also compare the answers of a transformers model on both pictures: detection=MODEL, segmentation=MODEL "
            "or depth=MODEL, a folder or a name on the hub. May be repeated.",
            metavar="KIND=MODEL",
        ),
    ] = None,
    device: Device = "",
    as_json: Json = False,
) -> None:
    """Encode PICTURES with several codecs at equal bytes, decode them and measure their quality.

    The same command continues a run that was interrupted.
    """
    from semlink.evaluate.compare import compare_codecs
    from semlink.evaluate.pictures import picture_files

    files, tasks = picture_files(pictures), task or []
    with progress_bar(len(files), quiet=as_json) as on_stage:

        def on_picture(name: str) -> None:
            on_stage("done", 1.0)
            on_stage(name, 0.0)

        comparison = compare_codecs(
            files,
            codec,
            budgets,
            save,
            device=device,
            tasks=tasks,
            command=_command_line(pictures, codec, budgets, device, tasks),
            on_picture=on_picture,
        )
    if as_json:
        print_json(_make_document(comparison))
    else:
        _print_comparison(comparison, pictures=len(files) - len(comparison.outcome.unreadable))


def _command_line(pictures: Sequence[Path], codec: str, budgets: str, device: str, tasks: Sequence[str]) -> str:
    """Return the command that repeats the evaluation."""
    devices = ["--device", device] if device else []
    models = [word for task in tasks for word in ("--task", task)]
    return shlex.join(
        ["semlink", "evaluate", *map(str, pictures), "--codec", codec, "--bytes", budgets, *devices, *models]
    )


def _make_document(comparison: Comparison) -> dict[str, Any]:
    outcome = comparison.outcome
    return {
        "table": str(comparison.table),
        "plot": None if comparison.plot is None else str(comparison.plot),
        "results": str(comparison.results),
        "cells": [asdict(cell) | {"pictures": len(cell.pictures)} for cell in comparison.cells],
        "differences": [asdict(one) for one in comparison.differences],
        "unavailable": outcome.unavailable | ({"plot": comparison.plot_missing} if comparison.plot_missing else {}),
        "unreadable": outcome.unreadable,
        "failed": [dict(zip(("codec", "budget", "picture", "reason"), one, strict=True)) for one in outcome.failed],
    }


def _print_comparison(comparison: Comparison, *, pictures: int) -> None:
    from semlink.evaluate.report import cell_rows

    print_table(f"{pictures} pictures", *cell_rows(comparison.cells))
    for name, reason in comparison.outcome.unavailable.items():
        print(f"unavailable: {name}: {reason}")
    for reason in comparison.outcome.unreadable.values():
        print(f"unreadable: {reason}")
    for codec, budget, picture, reason in comparison.outcome.failed:
        print(f"not decoded: {codec} at {budget} for {picture}: {reason}")
    if comparison.plot is None:
        print(f"no plot: {comparison.plot_missing}")
    print(f"Look at {comparison.table}" + (f" and {comparison.plot}" if comparison.plot else ""))
