"""``semlink evaluate``: codecs compared at equal bytes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from semlink.cli.options import Device, Json


def evaluate(
    pictures: Annotated[list[Path], typer.Argument(help="Picture files, or folders of them.", metavar="PICTURES...")],
    codec: Annotated[
        str,
        typer.Option(
            "--codec", help="Codecs, with commas between: hci, hci@pocket:steps=4, avif ...; docs/evaluate.md has all."
        ),
    ] = "hci,avif-esrgan,avif,hevc,webp,jpeg2000",
    budgets: Annotated[
        str,
        typer.Option(
            "--bytes", help="Bytes per picture, as 800,0.02bpp; vvc or q52: what VVC took, picture by picture."
        ),
    ] = "0.02bpp,0.03bpp",
    save: Annotated[
        Path, typer.Option(help="Folder for files, decoded pictures, results, table and plot.", metavar="DIR")
    ] = Path("out/evaluate"),
    task: Annotated[
        list[str] | None,
        typer.Option(
            "--task",
            help="Compare a model's answers too: detection=MODEL, segmentation=MODEL, depth=MODEL; folder or hub name.",
            metavar="KIND=MODEL",
        ),
    ] = None,
    device: Device = "",
    as_json: Json = False,
) -> None:
    """Encode PICTURES with several codecs at equal bytes, decode and measure; a run that was cut off goes on."""
    from semlink.evaluate.command import evaluate as evaluate_codecs

    evaluate_codecs(pictures, codec, budgets, save, device=device, tasks=task or [], as_json=as_json)
