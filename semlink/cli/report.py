"""``semlink report``: one HTML page of sweeps."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from semlink.cli.options import Json, SweepFolders


def report(
    folders: SweepFolders,
    out: Annotated[
        Path | None, typer.Option(help="HTML file to write.", metavar="FILE.html", show_default="FOLDER/report.html")
    ] = None,
    title: Annotated[str, typer.Option(help="Title of the page.", metavar="TEXT")] = "Sweep",
    as_json: Json = False,
) -> None:
    """Write the results of sweeps as one HTML page with figures, picture grids, a table, and how to repeat the sweep."""
    from semlink.report.report import report as write_report

    write_report(folders, out or folders[0] / "report.html", title=title, as_json=as_json)
