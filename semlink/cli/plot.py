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
    from semlink.report.report import plot as draw_plots

    draw_plots(folders, out or folders[0] / "plots", as_json=as_json)
