"""``semlink send``: a picture file over the whole link."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from semlink._inputs import name_picture
from semlink.cli.options import (
    ChannelOptions,
    Json,
    Protect,
    ReceiverOptions,
    SenderOptions,
    ServiceOptions,
    Timeout,
)
from semlink.cli.output import print_json, print_notes, print_table, progress_bar
from semlink.cli.output_files import OutputOptions, require_png
from semlink.cli.picture_options import Levels, PicturePath, read_picture
from semlink.cli.report_text import make_accounting_table, make_transfer_document, summarise_transfer
from semlink.cli.standard_streams import print_beside, write_output
from semlink.client.session import open_session
from shared.rpc.limits import DEFAULT_TIMEOUT_S


def send(
    picture: PicturePath,
    *,
    sender: SenderOptions,
    max_bytes: Annotated[
        int,
        typer.Option(
            "--bytes",
            help="Maximum bytes of the container; 0: the codec's rate.",
            min=0,
            metavar="BYTES",
            rich_help_panel=SenderOptions.PANEL,
        ),
    ] = 0,
    packet_bytes: Annotated[
        int,
        typer.Option(
            help="Maximum bytes of one packet, 32 to 1024.", min=1, metavar="BYTES", rich_help_panel=SenderOptions.PANEL
        ),
    ] = 256,
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
    services: ServiceOptions,
    timeout: Timeout = DEFAULT_TIMEOUT_S,
    as_json: Json = False,
) -> None:
    """Send PICTURE over the link and report what arrived.

    A channel that loses the picture is a result, not an error: nothing is written and the exit status is 0.
    """
    if out is not None:
        require_png(out, picture)
    outputs.require(picture, out)
    send_settings, channel_settings = sender.settings(max_bytes, packet_bytes), channel.settings()
    receive_settings = receiver.receive_settings(progressive=outputs.progressive is not None)
    given = read_picture(picture, levels)

    with open_session(services.addresses, device=receiver.device, timeout_s=timeout) as session:
        run_transfer = session.transfer
        if channel.protect is Protect.UNEQUAL:
            from semlink.client.protected import transfer_unequally  # imports the channel and the sender

            run_transfer = partial(transfer_unequally, session)
        with progress_bar(1, quiet=as_json) as on_stage, name_picture(picture):
            transfer = run_transfer(
                given.data,
                send_settings,
                channel_settings,
                receive_settings,
                on_stage=on_stage,
                on_preview=outputs.write_preview,
            )
    transfer.sent.notes.extend(given.notes)
    written = out if transfer.received.png else None
    if written is not None:
        write_output(written, transfer.received.png)
    outputs.write_trust(transfer.received)

    with print_beside(out):
        if as_json:
            print_json({**make_transfer_document(transfer), "out": str(written) if written is not None else None})
            return
        print_table(f"{picture} over the link", ["", ""], summarise_transfer(transfer))
        print_table(*make_accounting_table(transfer.link.account))
        print_notes(outputs.notes(transfer.received))
