"""The commands that work on files: encode, decode, send."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from semlink.cli.output import (
    contents_text,
    damaged_text,
    decoding_document,
    number,
    print_account,
    print_json,
    print_table,
    progress_bar,
    stream_name,
    transfer_document,
    transfer_summary,
)
from semlink.client.session import open_session
from shared.bitstream import bpp
from shared.errors import InputError
from shared.files import read_file, write_file

if TYPE_CHECKING:
    from pathlib import Path

    from semlink.client.addresses import Addresses
    from semlink.client.session import Session
    from semlink.pipeline.transfer import Decoded, Preview
    from shared.rpc.semlink.v1 import channel_pb2, receiver_pb2, sender_pb2


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


@dataclass(frozen=True, slots=True)
class SideOutputs:
    """What a decoding command writes beside the picture: the trust map, and the previews into a folder; None: not."""

    trust: Path | None = None
    previews: Path | None = None

    def require(self, *others: Path | None) -> None:
        """Refuse outputs that could not be written or are one of ``others``; make the folder of the previews.

        Raises:
            InputError: as said.
        """
        given = [other for other in others if other is not None]
        if self.trust is not None:
            require_png(self.trust, *given)
            if any(self.trust.absolute() == other.absolute() for other in given):
                raise InputError(f"cannot write the trust map to {self.trust}: the picture goes there; name another")
        if self.previews is not None:
            try:
                self.previews.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise InputError(
                    f"cannot make the folder {self.previews}: {error.strerror}; choose another with --progressive"
                ) from error

    def write_preview(self, preview: Preview) -> None:
        """Write one preview as soon as it is here."""
        if self.previews is not None:
            write_file(self.previews / f"preview-{preview.number:03d}.png", preview.png)

    def write_trust(self, received: Decoded) -> None:
        """Write the trust map, if there is one."""
        if self.trust is not None and received.trust_png:
            write_file(self.trust, received.trust_png)

    def notes(self, received: Decoded) -> list[str]:
        """Return what a person has to be told about the picture."""
        report = received.report
        notes = [f"{report.reason}: nothing of this picture was received"] if report.invented else []
        if report.rebuilt and not report.invented and (damaged := damaged_text(report)):
            notes.append(f"what came of {damaged} does not decode: the picture was made without it")
        if self.trust is not None and not received.trust_png:
            why = f"decoder '{report.decoder}' makes none" if report.rebuilt else "there is no picture"
            notes.append(f"no trust map was written to {self.trust}: {why}")
        return notes


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

    with open_session(addresses, timeout_s=timeout_s) as session, progress_bar(1, quiet=as_json) as on_stage:
        report = session.encode(data, settings, on_stage)
    write_file(file, report.container)
    streams = {stream_name(stream): stream.bytes for stream in report.streams}
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
    settings: receiver_pb2.DecodeSettings,
    *,
    beside: SideOutputs,
    device: str,
    addresses: Addresses,
    timeout_s: float,
    as_json: bool,
) -> None:
    """Decode the container ``file`` into the picture ``out`` and print what came of it."""
    require_png(out, file, *([] if reference is None else [reference]))
    beside.require(file, out, reference)
    container = read_file(file)
    original = b"" if reference is None else read_file(reference)

    with open_session(addresses, device=device, timeout_s=timeout_s) as session:
        received = session.decode(container, settings, reference=original, on_preview=beside.write_preview)
    report = received.report
    if not report.rebuilt:
        raise InputError(f"{file} holds no picture: {report.reason}")
    write_file(out, received.png)
    beside.write_trust(received)
    document = decoding_document(report)
    rate = bpp(len(container), report.width, report.height)
    if as_json:
        print_json({"file": str(out), "bytes": len(container), "bpp": rate, **document})
        return
    digits = {"psnr_db": 2, "ms_ssim": 4, "trust": 2, "decode_s": 2}
    print_table(
        f"{file} -> {out}",
        ["decoder", "size", "bytes", "bpp", "PSNR dB", "MS-SSIM", "trust", "decode s"],
        [
            [
                report.decoder,
                f"{report.width}x{report.height}",
                str(len(container)),
                number(rate, 4),
                *(number(document[name], places) for name, places in digits.items()),
            ]
        ],
    )
    print(f"received: {contents_text(report)}")
    for note in beside.notes(received):
        print(f"note: {note}")


def send_file(
    picture: Path,
    out: Path | None,
    settings: sender_pb2.SendSettings,
    channel: channel_pb2.ChannelSettings,
    receive: receiver_pb2.ReceiveSettings,
    *,
    unequal: bool,
    beside: SideOutputs,
    device: str,
    addresses: Addresses,
    timeout_s: float,
    as_json: bool,
) -> None:
    """Send ``picture`` over the link, write what arrived to ``out``, and print a report.

    ``unequal`` deals the channel uses out by what each stream is worth.
    Nothing is written when nothing could be rebuilt: a lossy channel is no failure, so the command still succeeds.
    """
    if out is not None:
        require_png(out, picture)
    beside.require(picture, out)
    data = read_file(picture)

    with open_session(addresses, device=device, timeout_s=timeout_s) as session:
        protected = _protect_unequally(session, data, settings, channel) if unequal else channel
        with progress_bar(1, quiet=as_json) as on_stage:
            transfer = session.transfer(
                data, settings, protected, receive, on_stage=on_stage, on_preview=beside.write_preview
            )
    written = out if transfer.received.png else None
    if written is not None:
        write_file(written, transfer.received.png)
    beside.write_trust(transfer.received)
    if as_json:
        print_json({**transfer_document(transfer), "out": str(written) if written is not None else None})
        return
    print_table(f"{picture} over the link", ["", ""], transfer_summary(transfer))
    print_account(transfer.link.account)
    for note in beside.notes(transfer.received):
        print(f"note: {note}")


def _protect_unequally(
    session: Session, picture: bytes, settings: sender_pb2.SendSettings, channel: channel_pb2.ChannelSettings
) -> channel_pb2.ChannelSettings:
    from semlink.pipeline.protected import protect_unequally  # noqa: PLC0415 - imports the channel and the sender

    return protect_unequally(session, picture, settings, channel)
