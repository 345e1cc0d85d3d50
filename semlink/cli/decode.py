"""``semlink decode``: a ``.sem`` container into a picture file."""

from __future__ import annotations

import contextlib
import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from semlink._inputs import name_picture
from semlink.cli.options import Json, ReceiverAddress, ReceiverOptions, Timeout
from semlink.cli.output import print_json, print_line, print_notes, print_table
from semlink.cli.output_files import OutputOptions, require_result, require_set
from semlink.cli.picture_options import Levels, read_picture
from semlink.cli.progress import progress_bar
from semlink.cli.report_text import describe_contents, make_decoding_document
from semlink.cli.standard_streams import print_beside, read_input, write_output
from semlink.client.addresses import Addresses
from semlink.client.session import open_session
from semlink.report.text import format_number
from shared.bitstream import bpp
from shared.errors import BitstreamError, InputError
from shared.files import remove_older, write_file
from shared.rpc.limits import DEFAULT_TIMEOUT_S

if TYPE_CHECKING:
    from collections.abc import Iterator

    from semlink.pipeline.transfer import OnPreview, Preview
    from shared.rpc.semlink.v1 import receiver_pb2

PREVIEW_NAMES: Final = re.compile(r"preview-\d{3,}\.png")


def decode(
    file: Annotated[Path, typer.Argument(help="Container to read; - reads standard input.", metavar="FILE.sem")],
    out: Annotated[Path, typer.Argument(help="Picture to write, as PNG; - writes standard output.", metavar="OUT.png")],
    *,
    options: ReceiverOptions,
    outputs: OutputOptions,
    reference: Annotated[
        Path | None,
        typer.Option(help="The original picture, to measure PSNR and MS-SSIM against.", metavar="PICTURE"),
    ] = None,
    progressive: Annotated[
        Path | None,
        typer.Option(
            "--progressive",
            help="Write the picture of no stream, then of one stream more each time: preview-001.png ...",
            metavar="FOLDER",
            rich_help_panel=OutputOptions.PANEL,
        ),
    ] = None,
    levels: Levels = "full",
    receiver: ReceiverAddress = "",
    timeout: Timeout = DEFAULT_TIMEOUT_S,
    as_json: Json = False,
) -> None:
    """Decode the container FILE.sem into the picture OUT.png."""
    require_result(out, file, *([] if reference is None else [reference]), png=True)
    outputs.require(file, out, reference)
    if progressive is not None:
        require_set(
            progressive, PREVIEW_NAMES, "--progressive", file, out, reference, outputs.trust, outputs.trust_overlay
        )
    container = read_input(file)
    original = b"" if reference is None else read_picture(reference, levels).data
    settings = options.decode_settings(progressive=progressive is not None)

    with (
        open_session(Addresses(receiver=receiver), device=options.device, timeout_s=timeout) as session,
        name_picture(reference),
        name_picture(file, BitstreamError),
        _write_previews(progressive) as on_preview,
        progress_bar(1, quiet=as_json) as on_stage,
    ):
        on_stage("decode", 0.0)
        decoded = session.decode(container, settings, reference=original, on_preview=on_preview)
        report = decoded.report
        if not report.rebuilt:
            raise InputError(f"{file} holds no picture: {report.reason}")
    write_output(out, decoded.png)
    outputs.write_trust(decoded)

    with print_beside(out):
        _print_report((file, len(container)), out, report, outputs.notes(decoded), as_json=as_json)


@contextlib.contextmanager
def _write_previews(folder: Path | None) -> Iterator[OnPreview]:
    """Yield a function that writes a preview to ``folder``, if there is one. At the end, older ones are removed."""
    written: set[str] = set()

    def write(preview: Preview) -> None:
        if folder is not None:
            written.add(f"preview-{preview.number:03d}.png")
            write_file(folder / f"preview-{preview.number:03d}.png", preview.png)

    yield write
    if folder is not None:
        remove_older(folder, PREVIEW_NAMES, written)


def _print_report(
    read: tuple[Path, int], out: Path, report: receiver_pb2.ReceiveReport, notes: list[str], *, as_json: bool
) -> None:
    """Print what was decoded. ``read`` is the container's file and its number of bytes."""
    file, size = read
    document, rate = make_decoding_document(report), bpp(size, report.width, report.height)
    if as_json:
        print_json({"file": str(out), "bytes": size, "bpp": rate, **document})
        return
    row = {
        "decoder": report.decoder,
        "size": f"{report.width}x{report.height}",
        "bytes": str(size),
        "bpp": format_number(rate, 4),
        "PSNR dB": format_number(document["psnr_db"], 2),
        "MS-SSIM": format_number(document["ms_ssim"], 4),
        "trust": format_number(document["trust"], 2),
        "decode s": format_number(document["decode_s"], 2),
    }
    print_table(f"{file} -> {out}", list(row), [list(row.values())])
    print_line(f"received: {describe_contents(report)}")
    print_notes(notes)
