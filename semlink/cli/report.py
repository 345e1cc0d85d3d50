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
    """Write the results of sweeps as one HTML page: figures, picture grids, a table, and how to repeat the sweep."""
    from semlink.cli.output import print_json, print_line
    from semlink.cli.output_files import require_output
    from semlink.report.sweep_report import write_report

    if out is not None:
        require_output(out)
    out = out or folders[0] / "report.html"
    points = write_report(folders, out, title=title)
    rows = sum(point.rows for point in points)
    if as_json:
        print_json({"report": str(out), "rows": rows, "points": len(points)})
    else:
        print_line(f"{out}: {len(points)} points of {rows} rows")
