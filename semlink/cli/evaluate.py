"""``semlink evaluate``: codecs compared at equal bytes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from semlink.cli.options import Device, Json


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
    from semlink.evaluate.command import evaluate as evaluate_codecs

    evaluate_codecs(pictures, codec, budgets, save, device=device, tasks=task or [], as_json=as_json)
