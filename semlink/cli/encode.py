"""``semlink encode``: a picture file into a ``.sem`` container."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from semlink._inputs import name_picture
from semlink.cli.options import Json, SenderAddress, Timeout
from semlink.cli.output import print_json, print_notes, print_table
from semlink.cli.output_files import require_result
from semlink.cli.picture_options import Levels, PicturePath, read_picture
from semlink.cli.progress import progress_bar
from semlink.cli.report_text import describe_streams, list_streams
from semlink.cli.sender_options import SenderOptions
from semlink.cli.standard_streams import print_beside, write_output
from semlink.client.addresses import Addresses
from semlink.client.session import open_session
from shared.rpc.limits import DEFAULT_TIMEOUT_S

if TYPE_CHECKING:
    from shared.rpc.semlink.v1 import sender_pb2


def encode(
    picture: PicturePath,
    file: Annotated[Path, typer.Argument(help="Container to write; - writes standard output.", metavar="FILE.sem")],
    *,
    options: SenderOptions,
    max_bytes: Annotated[
        int, typer.Option("--bytes", help="Maximum bytes of FILE.sem; 0: the codec's rate.", min=0, metavar="BYTES")
    ] = 0,
    expected_loss: Annotated[
        float,
        typer.Option(
            help="Share of packets that are lost, 0 to 1, for the codec 'resilient', which then sends slices.",
            min=0,
            max=1,
            metavar="SHARE",
        ),
    ] = 0.0,
    levels: Levels = "full",
    sender: SenderAddress = "",
    timeout: Timeout = DEFAULT_TIMEOUT_S,
    as_json: Json = False,
) -> None:
    """Encode PICTURE into the container FILE.sem."""
    require_result(file, picture)
    settings = options.settings(max_bytes, expected_loss=expected_loss)
    given = read_picture(picture, levels)
    with (
        open_session(Addresses(sender=sender), timeout_s=timeout) as session,
        progress_bar(1, quiet=as_json) as on_stage,
        name_picture(picture),
    ):
        report = session.encode(given.data, settings, on_stage)
    write_output(file, report.container)
    notes = [*given.notes, *report.notes]
    with print_beside(file):
        _print_report(f"{picture} -> {file}", file, report, notes, as_json=as_json)


def _print_report(title: str, file: Path, report: sender_pb2.SendReport, notes: list[str], *, as_json: bool) -> None:
    if as_json:
        print_json(
            {
                "file": str(file),
                "codec": report.codec,
                "width": report.width,
                "height": report.height,
                "bytes": len(report.container),
                "bpp": report.bpp,
                "streams": list_streams(report.streams),
                "notes": notes,
                "encode_s": report.encode_s,
            }
        )
        return
    row = {
        "codec": report.codec,
        "size": f"{report.width}x{report.height}",
        "bytes": str(len(report.container)),
        "bpp": f"{report.bpp:.4f}",
        "streams": describe_streams(report),
        "encode s": f"{report.encode_s:.2f}",
    }
    print_table(title, list(row), [list(row.values())])
    print_notes(notes)
