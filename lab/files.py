"""The commands that work on files: encode, decode, send."""

from __future__ import annotations

import asyncio
import os
import stat
from typing import TYPE_CHECKING

from lab.embedded import Addresses, reachable_services
from lab.output import number, print_json, print_table, progress_bar, transfer_document, transfer_summary
from lab.transfer import LinkClient
from shared.bitstream import bpp
from shared.errors import InputError
from shared.picture import write_file
from shared.rpc.limits import MAX_PICTURE_BYTES

if TYPE_CHECKING:
    from pathlib import Path

    from shared.rpc.semlink.v1 import channel_pb2, sender_pb2


def read_file(path: Path) -> bytes:
    """Return the bytes of ``path``.

    Raises:
        InputError: it is no regular file, cannot be read, or is larger than the services take in.
    """
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise InputError(f"{path} is not a file; give an existing file")
        with path.open("rb") as source:
            data = source.read(MAX_PICTURE_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise InputError(f"cannot read {path}: {reason}; give an existing file") from error
    if len(data) > MAX_PICTURE_BYTES:
        raise InputError(f"{path} is larger than {MAX_PICTURE_BYTES} bytes, the most that a service takes")
    return data


def require_output(path: Path, *inputs: Path) -> None:
    """Refuse an output that could not be written, or that would overwrite an input, before any work is done.

    Raises:
        InputError: the folder is not there or not writable, the name is taken by something else than a file, or it is
            one of ``inputs``.
    """
    if not path.parent.is_dir():
        raise InputError(f"cannot write {path}: there is no folder {path.parent}; make it first")
    if not os.access(path.parent, os.W_OK):
        raise InputError(f"cannot write {path}: the folder {path.parent} is not writable; choose another")
    if path.exists():
        if not path.is_file():
            raise InputError(f"cannot write {path}: it is there already and is not a file; choose another name")
        if any(given.exists() and path.samefile(given) for given in inputs):
            raise InputError(f"cannot write {path}: it is the input too; choose another name")


def require_png(path: Path, *inputs: Path) -> None:
    """Refuse, like ``require_output``, and a name that does not end in ``.png`` as well.

    Raises:
        InputError: as said.
    """
    if path.suffix.lower() != ".png":
        raise InputError(f"cannot write {path}: pictures are written as PNG; give a name that ends in .png")
    require_output(path, *inputs)


def encode_file(
    picture: Path,
    file: Path,
    settings: sender_pb2.SendSettings,
    *,
    addresses: Addresses,
    timeout_s: float,
    as_json: bool,
) -> None:
    """Encode ``picture`` into the container ``file`` and print what it cost."""
    require_output(file, picture)
    data = read_file(picture)

    async def encoded() -> sender_pb2.SendReport:
        async with reachable_services(addresses, ["sender"]) as at, LinkClient(at, timeout_s) as client:
            with progress_bar(1, quiet=as_json) as on_stage:
                return await client.encode(data, settings, on_stage)

    report = asyncio.run(encoded())
    write_file(file, report.container)
    from shared.streams import StreamKind  # noqa: PLC0415

    streams = {StreamKind(stream.kind).name: stream.bytes for stream in report.streams}
    document = {
        "file": str(file),
        "codec": report.codec,
        "width": report.width,
        "height": report.height,
        "bytes": len(report.container),
        "bpp": report.bpp,
        "streams": streams,
        "notes": list(report.notes),
        "encode_s": report.encode_s,
    }
    if as_json:
        print_json(document)
    else:
        print_table(
            f"{picture} -> {file}",
            ["codec", "size", "bytes", "bpp", "streams", "encode s"],
            [
                [
                    report.codec,
                    f"{report.width}x{report.height}",
                    str(len(report.container)),
                    f"{report.bpp:.4f}",
                    ", ".join(f"{kind} {size}" for kind, size in streams.items()),
                    f"{report.encode_s:.2f}",
                ]
            ],
        )
        for note in report.notes:
            print(f"note: {note}")


def decode_file(
    file: Path,
    out: Path,
    reference: Path | None,
    *,
    decoder: str,
    addresses: Addresses,
    timeout_s: float,
    as_json: bool,
) -> None:
    """Decode the container ``file`` into the picture ``out`` and print what came of it."""
    require_png(out, file, *([] if reference is None else [reference]))
    container = read_file(file)
    original = b"" if reference is None else read_file(reference)

    async def decoded() -> tuple[bytes, dict[str, object]]:
        async with reachable_services(addresses, ["receiver"]) as at, LinkClient(at, timeout_s) as client:
            received = await client.decode(container, decoder=decoder, reference=original)
        report = received.report
        if not report.rebuilt:
            raise InputError(f"{file} holds no picture: {report.reason}")
        quality = report.quality if report.HasField("quality") else None
        return received.png, {
            "file": str(out),
            "decoder": report.decoder,
            "width": report.width,
            "height": report.height,
            "bytes": len(container),
            "bpp": bpp(len(container), report.width, report.height),
            "psnr_db": quality.psnr_db if quality else None,
            "ms_ssim": quality.ms_ssim if quality and quality.HasField("ms_ssim") else None,
            "decode_s": report.decode_s,
        }

    png, document = asyncio.run(decoded())
    write_file(out, png)
    if as_json:
        print_json(document)
    else:
        print_table(
            f"{file} -> {out}",
            ["decoder", "size", "bytes", "bpp", "PSNR dB", "MS-SSIM", "decode s"],
            [
                [
                    str(document["decoder"]),
                    f"{document['width']}x{document['height']}",
                    str(document["bytes"]),
                    *(
                        number(value if isinstance(value, float) else None, digits)
                        for value, digits in (
                            (document["bpp"], 4),
                            (document["psnr_db"], 2),
                            (document["ms_ssim"], 4),
                            (document["decode_s"], 2),
                        )
                    ),
                ]
            ],
        )


def send_file(
    picture: Path,
    out: Path | None,
    settings: sender_pb2.SendSettings,
    channel: channel_pb2.ChannelSettings,
    *,
    decoder: str,
    addresses: Addresses,
    timeout_s: float,
    as_json: bool,
) -> None:
    """Send ``picture`` over the link, write what arrived to ``out``, and print a report.

    Nothing is written when nothing could be rebuilt: a lossy channel is no failure, so the command still succeeds.
    """
    if out is not None:
        require_png(out, picture)
    data = read_file(picture)

    async def sent() -> tuple[bytes, dict[str, object], list[tuple[str, str]]]:
        async with reachable_services(addresses) as at, LinkClient(at, timeout_s) as client:
            with progress_bar(1, quiet=as_json) as on_stage:
                transfer = await client.transfer(data, settings, channel, decoder=decoder, on_stage=on_stage)
        return transfer.received.png, transfer_document(transfer), transfer_summary(transfer)

    png, document, summary = asyncio.run(sent())
    if out is not None and png:
        write_file(out, png)
    if as_json:
        print_json({**document, "out": str(out) if out is not None and png else None})
    else:
        print_table(f"{picture} over the link", ["", ""], summary)
