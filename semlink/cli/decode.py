"""``semlink decode``: a ``.sem`` container into a picture file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from semlink.cli.options import Json, ReceiverAddress, ReceiverOptions, Timeout
from semlink.cli.output import print_json, print_notes, print_table
from semlink.cli.output_files import OutputOptions, require_png
from semlink.cli.report_text import describe_contents, make_decoding_document
from semlink.client.addresses import Addresses
from semlink.client.session import open_session
from semlink.report.text import format_number
from shared.bitstream import bpp
from shared.errors import InputError
from shared.files import read_file, write_file
from shared.rpc.limits import DEFAULT_TIMEOUT_S


def decode(
    file: Annotated[Path, typer.Argument(help="Container to read.", metavar="FILE.sem")],
    out: Annotated[Path, typer.Argument(help="Picture to write, as PNG.", metavar="OUT.png")],
    *,
    options: ReceiverOptions,
    outputs: OutputOptions,
    reference: Annotated[
        Path | None,
        typer.Option(help="The original picture, to measure PSNR and MS-SSIM against.", metavar="PICTURE"),
    ] = None,
    receiver: ReceiverAddress = "",
    timeout: Timeout = DEFAULT_TIMEOUT_S,
    as_json: Json = False,
) -> None:
    """Decode the container FILE.sem into the picture OUT.png."""
    require_png(out, file, *([] if reference is None else [reference]))
    outputs.require(file, out, reference)
    container = read_file(file)
    original = b"" if reference is None else read_file(reference)
    settings = options.decode_settings(progressive=outputs.progressive is not None)

    with open_session(Addresses(receiver=receiver), device=options.device, timeout_s=timeout) as session:
        decoded = session.decode(container, settings, reference=original, on_preview=outputs.write_preview)
    report = decoded.report
    if not report.rebuilt:
        raise InputError(f"{file} holds no picture: {report.reason}")
    write_file(out, decoded.png)
    outputs.write_trust(decoded)

    document = make_decoding_document(report)
    rate = bpp(len(container), report.width, report.height)
    if as_json:
        print_json({"file": str(out), "bytes": len(container), "bpp": rate, **document})
        return
    row = {
        "decoder": report.decoder,
        "size": f"{report.width}x{report.height}",
        "bytes": str(len(container)),
        "bpp": format_number(rate, 4),
        "PSNR dB": format_number(document["psnr_db"], 2),
        "MS-SSIM": format_number(document["ms_ssim"], 4),
        "trust": format_number(document["trust"], 2),
        "decode s": format_number(document["decode_s"], 2),
    }
    print_table(f"{file} -> {out}", list(row), [list(row.values())])
    print(f"received: {describe_contents(report)}")
    print_notes(outputs.notes(decoded))
