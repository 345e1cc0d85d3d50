"""``semlink report``: one HTML page of sweeps."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from semlink.cli.options import Json, SweepFolders


def report(
    folders: SweepFolders,
    out: Annotated[Path | None, typer.Option(help="HTML file to write.", show_default="DIR/report.html")] = None,
    title: Annotated[str, typer.Option(help="Heading of the page.")] = "Sweep",
    as_json: Json = False,
) -> None:
    """Write one HTML page on what sweeps found, with everything within it, also how to repeat it."""
    from semlink.report.report import report as write_report

    write_report(folders, out or folders[0] / "report.html", title=title, as_json=as_json)
