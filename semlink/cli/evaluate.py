"""``semlink evaluate``: codecs compared at equal bytes."""

from __future__ import annotations

import shlex
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from semlink.cli.options import Device, Json
from semlink.cli.output import print_json, print_line, print_notes, print_table
from semlink.cli.picture_options import Levels
from semlink.cli.progress import progress_bar
from shared.printable import printable

if TYPE_CHECKING:
    from semlink.evaluate.compare import Comparison

TABLE = "table.md"
PLOT = "rd.png"


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
            help="Maximum bytes of each picture's file, such as 800,0.02bpp. vvc: the bytes of "
            "the picture's own VVC files; q52: those of the VVC file at quantiser 52.",
            metavar="BYTES,...",
        ),
    ] = "0.02bpp,0.03bpp",
    out: Annotated[
        Path, typer.Option(help="Folder for files, decoded pictures, results, table and plot.", metavar="FOLDER")
    ] = Path("out/evaluate"),
    task: Annotated[
        list[str] | None,
        typer.Option(
            "--task",
            help="Also compare the answers of a transformers model on both pictures: detection=MODEL, "
            "segmentation=MODEL or depth=MODEL, a folder or a name on the hub. May be repeated.",
            metavar="KIND=MODEL",
        ),
    ] = None,
    levels: Levels = "full",
    device: Device = "",
    as_json: Json = False,
) -> None:
    """Encode PICTURES with several codecs at equal bytes, decode them and measure their quality.

    The same command continues a run that was interrupted.
    """
    from semlink.evaluate.compare import compare_codecs
    from semlink.evaluate.pictures import find_pictures

    tasks = task or []
    with progress_bar(len(find_pictures(pictures)), quiet=as_json) as on_stage:

        def on_picture(name: str) -> None:
            on_stage("done", 1.0)
            on_stage(name, 0.0)

        result = compare_codecs(
            pictures, codec, budgets, out, device=device, tasks=tasks, levels=levels, on_picture=on_picture
        )
    options = [
        *(["--levels", levels] if levels != "full" else []),
        *(["--device", device] if device else []),
        *(word for one in tasks for word in ("--task", one)),
    ]
    command = ["semlink", "evaluate", *map(str, pictures), "--codec", codec, "--bytes", budgets, *options]
    no_plot = _write_report(printable(shlex.join(command)), result, out)
    if as_json:
        _print_json(result, out, no_plot)
    else:
        _print_table(result, out, no_plot)


def _write_report(command: str, result: Comparison, out: Path) -> str:
    """Write the table and the plot. Return why there is no plot, empty if there is one."""
    from semlink.report.evaluation import draw_plot, explain_no_plot, write_markdown
    from shared.files import write_file, write_or_remove

    no_plot = explain_no_plot()
    write_or_remove(out / PLOT, b"" if no_plot else draw_plot(result.averages))
    write_file(out / TABLE, write_markdown(command, result).encode())
    return no_plot


def _print_json(result: Comparison, out: Path, no_plot: str) -> None:
    document = {
        "table": str(out / TABLE),
        "plot": None if no_plot else str(out / PLOT),
        "results": str(result.results),
        "cells": [asdict(one) | {"pictures": len(one.pictures)} for one in result.averages],
        "differences": [asdict(one) for one in result.differences],
        "unavailable": result.found.unavailable | ({"plot": no_plot} if no_plot else {}),
        "unreadable": result.found.unreadable,
        "notes": result.found.notes,
        "failed": [asdict(one) for one in result.found.not_decoded],
    }
    print_json(document)


def _print_table(result: Comparison, out: Path, no_plot: str) -> None:
    from semlink.evaluate.pictures import describe_notes
    from semlink.report.evaluation import average_table

    pictures = {row.picture for row in result.found.rows}
    print_table(f"{len(pictures)} pictures", *average_table(result.averages), keys=2)
    print_notes(f"{name} is unavailable: {reason}" for name, reason in result.found.unavailable.items())
    print_notes(result.found.unreadable.values())
    print_notes(describe_notes(result.found.notes))
    print_notes(
        f"{one.picture} is missing for {one.codec} at {one.budget}: {one.reason}" for one in result.found.not_decoded
    )
    if no_plot:
        print_notes([f"no plot: {no_plot}"])
    print_line(f"Wrote {out / TABLE}" + ("" if no_plot else f" and {out / PLOT}"))
