"""``semlink plot``: figures of sweeps."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from semlink.cli.options import Json, SweepFolders


def plot(
    folders: SweepFolders,
    out: Annotated[
        Path | None, typer.Option(help="Folder for the figures.", metavar="FOLDER", show_default="FOLDER/plots")
    ] = None,
    as_json: Json = False,
) -> None:
    """Draw the results of sweeps as PNG and SVG: quality and loss over SNR, distortion over rate, picture grids."""
    from semlink.cli.output import print_json, print_line
    from semlink.report.sweep_report import write_figures

    files = [str(path) for path in write_figures(folders, out or folders[0] / "plots")]
    if as_json:
        print_json({"files": files})
    else:
        for file in files:
            print_line(file)
