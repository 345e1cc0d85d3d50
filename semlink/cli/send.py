"""``semlink send``: a picture file over the whole link."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from semlink._inputs import name_picture
from semlink.cli.options import (
    ChannelOptions,
    CodecName,
    Json,
    ReceiverOptions,
    ServiceOptions,
    Timeout,
)
from semlink.cli.output import print_json, print_notes, print_table
from semlink.cli.output_files import OutputOptions, require_result
from semlink.cli.picture_options import Levels, PicturePath, read_picture
from semlink.cli.progress import progress_bar
from semlink.cli.report_text import make_accounting_table, make_transfer_document, summarise_transfer
from semlink.cli.sender_options import SenderOptions
from semlink.cli.standard_streams import STANDARD, print_beside, write_output
from semlink.cli.watch import Watch, WatchOptions
from semlink.client.session import open_session
from semlink.pipeline.transfer import Protect
from shared.files import remove_file
from shared.rpc.limits import DEFAULT_TIMEOUT_S


@dataclass(frozen=True)
class LinkSenderOptions(SenderOptions):
    """What the sender makes of a picture whose link is known: by default what suits the link's predicted loss."""

    codec: CodecName = "resilient"


def send(
    picture: PicturePath,
    *,
    sender: LinkSenderOptions,
    max_bytes: Annotated[
        int,
        typer.Option(
            "--bytes",
            help="Maximum bytes of the container; 0: the codec's rate.",
            min=0,
            metavar="BYTES",
            rich_help_panel=LinkSenderOptions.PANEL,
        ),
    ] = 0,
    packet_bytes: Annotated[
        int,
        typer.Option(
            help="Maximum bytes of one packet, 32 to 1024.",
            min=1,
            metavar="BYTES",
            rich_help_panel=LinkSenderOptions.PANEL,
        ),
    ] = 256,
    sealed: Annotated[
        bool,
        typer.Option(
            "--sealed",
            help="Seal the packets: identity of the transfer and a longer check, 6 bytes more for each.",
            rich_help_panel=LinkSenderOptions.PANEL,
        ),
    ] = False,
    levels: Levels = "full",
    channel: ChannelOptions,
    receiver: ReceiverOptions,
    out: Annotated[
        Path | None,
        typer.Option(
            help="Write the received picture; - writes standard output.",
            metavar="FILE.png",
            rich_help_panel=OutputOptions.PANEL,
        ),
    ] = None,
    outputs: OutputOptions,
    watching: WatchOptions,
    services: ServiceOptions,
    timeout: Timeout = DEFAULT_TIMEOUT_S,
    as_json: Json = False,
) -> None:
    """Send PICTURE over the link and report what arrived.

    The default codec cuts the picture into slices that decode alone where the channel is predicted to lose packets.

    A channel that loses the picture is a result, not an error: nothing is written, older files of the given names are
    removed, and the exit status is 0.
    """
    if out is not None:
        require_result(out, picture, png=True)
    outputs.require(picture, out)
    watching.require(picture, out, outputs.trust, outputs.trust_overlay)
    given = read_picture(picture, levels)
    send_settings, channel_settings = sender.settings(max_bytes, packet_bytes), channel.settings()
    send_settings.sealed = sealed
    receive_settings = receiver.receive_settings()

    with open_session(services.addresses, device=receiver.device, timeout_s=timeout) as session:
        run_transfer = session.transfer
        if channel.protect is not Protect.NONE:
            from semlink.client.protected import transfer_protected

            run_transfer = partial(transfer_protected, session, protect=channel.protect)
        watch = Watch(watching, session, given.data)
        with progress_bar(1, quiet=as_json) as on_stage, name_picture(picture):
            transfer = run_transfer(
                given.data,
                send_settings,
                channel_settings,
                receive_settings,
                on_stage=on_stage,
                on_arrival=watch.take,
            )
    transfer.sent.notes.extend(given.notes)
    if out is not None and transfer.received.png:
        write_output(out, transfer.received.png)
    elif out is not None and out != STANDARD:
        remove_file(out)
    outputs.write_trust(transfer.received)
    watched = watch.finish(transfer)
    written = out if transfer.received.png else None

    with print_beside(out):
        if as_json:
            print_json({**make_transfer_document(transfer), "out": str(written) if written else None})
            return
        print_table(f"{picture} over the link", ["", ""], summarise_transfer(transfer))
        print_table(*make_accounting_table(transfer.link.account))
        if out is not None and not written:
            print_notes([f"there is no picture: nothing was written to {out}; an older file there is removed"])
        print_notes([*outputs.notes(transfer.received), *watched])
