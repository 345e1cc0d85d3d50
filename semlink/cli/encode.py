"""``semlink encode``: a picture file into a ``.sem`` container."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from semlink.cli.options import Json, PicturePath, SenderAddress, SenderOptions, Timeout
from semlink.cli.output import print_json, print_notes, print_table, progress_bar
from semlink.cli.output_files import require_output
from semlink.cli.report_text import describe_streams, stream_bytes
from semlink.client.addresses import Addresses
from semlink.client.session import open_session
from shared.files import read_file, write_file
from shared.rpc.limits import DEFAULT_TIMEOUT_S


def encode(
    picture: PicturePath,
    file: Annotated[Path, typer.Argument(help="Container to write.", metavar="FILE.sem")],
    *,
    options: SenderOptions,
    max_bytes: Annotated[
        int, typer.Option("--bytes", help="Maximum bytes of FILE.sem; 0: the codec's rate.", min=0, metavar="BYTES")
    ] = 0,
    sender: SenderAddress = "",
    timeout: Timeout = DEFAULT_TIMEOUT_S,
    as_json: Json = False,
) -> None:
    """Encode PICTURE into the container FILE.sem."""
    require_output(file, picture)
    data = read_file(picture)
    settings = options.settings(max_bytes)
    with (
        open_session(Addresses(sender=sender), timeout_s=timeout) as session,
        progress_bar(1, quiet=as_json) as on_stage,
    ):
        report = session.encode(data, settings, on_stage)
    write_file(file, report.container)
    if as_json:
        print_json(
            {
                "file": str(file),
                "codec": report.codec,
                "width": report.width,
                "height": report.height,
                "bytes": len(report.container),
                "bpp": report.bpp,
                "streams": stream_bytes(report),
                "notes": list(report.notes),
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
    print_table(f"{picture} -> {file}", list(row), [list(row.values())])
    print_notes(report.notes)
