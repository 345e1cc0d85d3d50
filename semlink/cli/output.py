"""What commands print: a table for people, or one JSON document with ``--json``."""

from __future__ import annotations

import contextlib
import json
import math
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from google.protobuf.message import Message

    from semlink.pipeline.transfer import OnStage, Transfer
    from shared.rpc.semlink.v1 import channel_pb2, receiver_pb2, sender_pb2


PIPE_COLUMNS = 160


def print_json(document: Any) -> None:
    """Print ``document`` as JSON; infinite and undefined numbers become null, as JSON has none."""
    sys.stdout.write(json.dumps(_finite(document), indent=2) + "\n")


def print_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]], *, left: bool = False) -> None:
    """Print ``rows`` as a table; columns after the first are right-aligned, or ``left`` where they hold words."""
    from rich.console import Console  # noqa: PLC0415 - keeps --help quick
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    table = Table(title=title, title_justify="left")
    for position, column in enumerate(columns):
        table.add_column(column, justify="left" if left or position == 0 else "right", no_wrap=position == 0)
    for row in rows:
        table.add_row(*map(Text, row))  # not markup: [1, 2] is a list
    # A pipe has no width of its own: leave the lines whole there.
    Console(width=None if sys.stdout.isatty() else PIPE_COLUMNS).print(table)


def markdown_table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return ``rows`` as a Markdown table."""
    lines = [columns, ["---"] + ["---:"] * (len(columns) - 1), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def number(value: float | None, digits: int) -> str:
    """Return ``value`` with ``digits`` decimals, or a dash where it is not known."""
    return "-" if value is None or math.isnan(value) else f"{value:.{digits}f}"


@contextlib.contextmanager
def progress_bar(total: int, *, quiet: bool) -> Iterator[OnStage]:
    """Yield a callback that shows the stage of each of ``total`` pictures on standard error; nothing when ``quiet``.

    The callback takes the stage's name and the share of the picture that is done; 1.0 of ``"done"`` ends a picture.
    """
    from rich.console import Console  # noqa: PLC0415
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn  # noqa: PLC0415

    console = Console(stderr=True)
    columns = (TextColumn("{task.description:<10}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, disable=quiet or not console.is_terminal, transient=True) as progress:
        task = progress.add_task("start", total=total)

        def on_stage(stage: str, done: float) -> None:
            progress.update(task, description=stage, advance=1.0 if stage == "done" and done >= 1 else 0.0)

        yield on_stage


def transfer_document(transfer: Transfer) -> dict[str, Any]:
    """Return everything that is known about one picture's journey, ready for JSON."""
    sent, link, report = map(message_fields, (transfer.sent, transfer.link, transfer.received.report))
    sent["container_bytes"] = len(transfer.sent.container)
    for field in ("container", "next_sequence_counts"):
        sent.pop(field, None)
    return {"sent": sent, "link": link, "received": report}


def decoding_document(report: receiver_pb2.ReceiveReport) -> dict[str, Any]:
    """Return what is known about one decoded container, ready for JSON; None for what does not apply."""
    fields = message_fields(report)
    names = ("decoder", "device", "steps", "fidelity", "seed", "width", "height", "invented", "reason", "trust")
    quality = fields["quality"] or {}
    return {
        **{name: fields[name] for name in names},
        "psnr_db": quality.get("psnr_db"),
        "ms_ssim": quality.get("ms_ssim"),
        "decode_s": fields["decode_s"],
        "streams": [
            {**stream, "kind": stream_name(one)} for stream, one in zip(fields["streams"], report.streams, strict=True)
        ],
    }


def decoder_text(report: receiver_pb2.ReceiveReport) -> str:
    """Return the decoder with what it was told, as in ``pocket, 1 step, fidelity 0.5, seed 0``; no HCI, no fidelity."""
    if not report.HasField("steps"):
        return report.decoder
    steps = "1 step" if report.steps == 1 else f"{report.steps} steps"
    fidelity = f", fidelity {report.fidelity:g}" if report.HasField("fidelity") else ""
    return f"{report.decoder}, {steps}{fidelity}, seed {report.seed}"


def rebuilt_text(report: receiver_pb2.ReceiveReport) -> str:
    """Return whether there is a picture, and what is to be known about it."""
    if not report.rebuilt:
        return f"no: {report.reason}"
    return f"not received: {report.reason}" if report.invented else "yes"


def transfer_summary(transfer: Transfer) -> list[tuple[str, str]]:
    """Return what a person wants to know of one picture's journey, as name and value."""
    sent, link, report = transfer.sent, transfer.link, transfer.received.report
    quality = report.quality if report.HasField("quality") else None
    return [
        ("picture", f"{sent.width}x{sent.height}" + "".join(f", {note}" for note in sent.notes)),
        ("codec", sent.codec),
        ("container", f"{len(sent.container)} bytes, {sent.bpp:.4f} bpp"),
        ("streams", streams_text(transfer)),
        ("packets", _packets_text(sent)),
        ("arrived", arrived_text(link)),
        *[("repair", _repair_text(one)) for one in report.repairs],
        ("Es/N0, Eb/N0", f"{link.es_n0_db:.2f} dB, {link.eb_n0_db:.2f} dB"),
        ("MCS", str(link.mcs)),
        ("channel uses", f"{link.channel_uses}{_cbr_text(link.account)}"),
        ("air time, energy", f"{link.account.air_time_s:.6g} s, {_energy_text(link.account)}"),
        ("efficiency", f"{link.spectral_efficiency:.3f} delivered bits per channel use"),
        ("last arrival", f"{link.last_arrival_s:.6g} s after the first departure"),
        *(contact_summary(link.contact) if link.HasField("contact") else []),
        *([("picture arrives", link.last_arrival_date)] if link.last_arrival_date else []),
        ("decoder", f"{decoder_text(report)}, on {report.device}, {report.decode_s:.2f} s"),
        ("received", contents_text(report) or "-"),
        ("rebuilt", rebuilt_text(report)),
        ("trust", f"{number(report.trust if report.HasField('trust') else None, 2)} (0 invented, 1 received)"),
        ("PSNR", f"{number(quality.psnr_db if quality else None, 2)} dB"),
        ("MS-SSIM", number(quality.ms_ssim if quality and quality.HasField("ms_ssim") else None, 4)),
    ]


def arrived_text(link: channel_pb2.LinkReport) -> str:
    """Return what became of the packets, as in ``3 of 4; FEC failed 1, erased 0``; rare fates only where they occur."""
    rare = {"expired": link.expired, "out of order": link.reordered}
    text = f"{link.delivered} of {link.packets}; FEC failed {link.fec_failed}, erased {link.erased}"
    return text + "".join(f", {name} {count}" for name, count in rare.items() if count)


def contact_summary(contact: channel_pb2.Contact) -> list[tuple[str, str]]:
    """Return what a person wants to know of a deep-space contact, as name and value."""
    minutes, seconds = divmod(contact.light_time_s, 60)
    sun = f"{contact.sun_angle_deg:.2f}°, {'behind' if contact.behind_sun else 'nearer than'} the Sun"
    if contact.HasField("rician_k_db"):
        sun += f": scintillation index {contact.scintillation_index:.3f}, K = {contact.rician_k_db:.1f} dB"
    return [
        ("from, to", f"{contact.body}, {contact.station} at {contact.elevation_deg:.1f}° elevation"),
        ("leaves", f"{contact.departure_date} (window closes {contact.window_end_date})"),
        ("light time", f"{contact.light_time_s:.3f} s ({minutes:.0f} min {seconds:.0f} s), {contact.range_km:,.0f} km"),
        ("Sun angle", sun),
    ]


def print_account(account: channel_pb2.Account) -> None:
    """Print what went on air, for each stream, header, pilot and repair symbol."""
    columns = (
        "bits",
        "source",
        "header",
        "check",
        "repair",
        "padding",
        "parity",
        "sum",
        "uses",
        "pilot",
        "grid",
        "all",
    )
    rows = [
        [
            charge.name,
            *map(
                str,
                (
                    charge.source_bits,
                    charge.header_bits,
                    charge.check_bits,
                    charge.repair_bits,
                    charge.padding_bits,
                    charge.parity_bits,
                    charge.bits_on_air,
                    charge.data_uses,
                    charge.pilot_uses,
                    charge.grid_uses,
                    charge.channel_uses,
                ),
            ),
        ]
        for charge in (*account.charges, account.total)
    ]
    print_table("Bits on air by purpose, then channel uses: data, pilots, rest of the grid, all", columns, rows)


def _packets_text(sent: sender_pb2.SendReport) -> str:
    repair = f", and {sent.repair_packets} of {sent.repair_bytes} for repair" if sent.repair_packets else ""
    return f"{sent.packets} of {sent.packet_bytes} bytes in all{repair}"


def _repair_text(repair: receiver_pb2.RepairReport) -> str:
    """Return what became of one repaired object, as in ``HCI: 2 of 9 packets lost, all recovered from 3 symbols``."""
    from shared.streams import StreamKind  # noqa: PLC0415

    name = "+".join(StreamKind(kind).name for kind in repair.kinds)
    lost = repair.source_packets - repair.source_received
    told = f"{name}: {lost} of {repair.source_packets} packets lost"
    symbols = f"{repair.repair_received} repair packet{'' if repair.repair_received == 1 else 's'}"
    ending = {
        "WHOLE": "none to recover",
        "REPAIRED": f"all recovered with {symbols}",
        "WAITING": f"none recovered, {symbols} came and {repair.missing_symbols} more are needed",
        "DAMAGED": f"none recovered, {symbols} came and a wrong one is among all",
    }
    from shared.rpc.semlink.v1.receiver_pb2 import RepairState  # noqa: PLC0415 - keeps --help quick

    return f"{told}, {ending[RepairState.Name(repair.state).removeprefix('REPAIR_STATE_')]}"


def _cbr_text(account: channel_pb2.Account) -> str:
    return f" (CBR {account.cbr:.6f}, 1/{1 / account.cbr:.0f})" if account.cbr else ""


def _energy_text(account: channel_pb2.Account) -> str:
    if account.HasField("energy_j"):
        return f"{account.energy_j:.6g} J"
    return f"{account.total.channel_uses} Es (the profile states no transmit_power_w)"


def contents_text(report: receiver_pb2.ReceiveReport) -> str:
    """Return what the streams that came whole say, as in ``HCI 154x103 (av1); CAPTION a dog in the snow``."""
    return "; ".join(f"{stream_name(one)} {one.content}" for one in report.streams if one.content)


def damaged_text(report: receiver_pb2.ReceiveReport) -> str:
    """Return which streams came whole but do not decode, as in ``CAPTION, REGIONS``; empty where all do."""
    from shared.rpc.semlink.v1.receiver_pb2 import STREAM_STATE_DAMAGED  # noqa: PLC0415 - keeps --help quick

    return ", ".join(stream_name(one) for one in report.streams if one.state == STREAM_STATE_DAMAGED)


def stream_name(stream: receiver_pb2.StreamReport | sender_pb2.StreamBytes) -> str:
    """Return the name of a stream's kind, as in ``HCI``."""
    from shared.streams import StreamKind  # noqa: PLC0415 - keeps --help quick

    return StreamKind(stream.kind).name


def streams_text(transfer: Transfer) -> str:
    """Return the streams sent with their bytes, as in ``HCI 724``."""
    return ", ".join(f"{stream_name(stream)} {stream.bytes}" for stream in transfer.sent.streams)


def message_fields(message: Message) -> dict[str, Any]:
    """Return the fields of ``message`` by name, with enums by name and integers as integers.

    protobuf's own JSON mapping writes 64-bit integers as strings.
    """
    fields: dict[str, Any] = {}
    for field in message.DESCRIPTOR.fields:
        value = getattr(message, field.name)
        if field.has_presence and not message.HasField(field.name):
            fields[field.name] = None
        elif field.is_repeated:
            fields[field.name] = dict(value) if hasattr(value, "keys") else [_field(field, item) for item in value]
        else:
            fields[field.name] = _field(field, value)
    return fields


def _field(field: Any, value: Any) -> Any:
    if field.message_type is not None:
        return message_fields(value)
    if field.enum_type is not None:
        return field.enum_type.values_by_number[value].name
    return value


def _finite(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return value
