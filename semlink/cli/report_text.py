"""Reports of sender, channel and receiver as text and as JSON documents."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from semlink.report.text import format_number
from shared.outcome import INVENTED, LOST, outcome_of
from shared.streams import StreamKind

if TYPE_CHECKING:
    from collections.abc import Iterable

    from google.protobuf.message import Message

    from semlink.pipeline.transfer import ChosenProtection, Transfer
    from shared.rpc.semlink.v1 import channel_pb2, receiver_pb2, sender_pb2


def make_transfer_document(transfer: Transfer) -> dict[str, Any]:
    """Return the three reports on one picture and its protection, ready for JSON."""
    sent, link, received = map(message_to_dict, (transfer.sent, transfer.link, transfer.received.report))
    sent["container_bytes"] = len(transfer.sent.container)
    for field in ("container", "next_sequence_counts"):
        sent.pop(field, None)
    received["outcome"] = outcome_of(transfer.received.report)
    return {"sent": sent, "link": link, "received": received, "protection": asdict(transfer.protection)}


def make_decoding_document(report: receiver_pb2.ReceiveReport) -> dict[str, Any]:
    """Return the report on one decoded container, ready for JSON; None for what does not apply."""
    fields = message_to_dict(report)
    names = ("decoder", "device", "steps", "fidelity", "seed", "width", "height", "invented", "reason", "trust")
    quality = fields["quality"] or {}
    return {
        **{name: fields[name] for name in names},
        "outcome": outcome_of(report),
        "psnr_db": quality.get("psnr_db"),
        "ms_ssim": quality.get("ms_ssim"),
        "decode_s": fields["decode_s"],
        "streams": list_streams(report.streams),
    }


def list_streams(streams: Iterable[receiver_pb2.StreamReport | sender_pb2.StreamBytes]) -> list[dict[str, Any]]:
    """Return one document per stream, ready for JSON: its kind as in ``HCI``, its bytes, and what else is known."""
    return [message_to_dict(one) for one in streams]


def message_to_dict(message: Message) -> dict[str, Any]:
    """Return the fields of ``message`` by name, with enums by name and integers as integers.

    protobuf's own JSON mapping writes 64-bit integers as strings.
    """
    fields: dict[str, Any] = {}
    for field in message.DESCRIPTOR.fields:
        value = getattr(message, field.name)
        if field.has_presence and not message.HasField(field.name):
            fields[field.name] = None
        elif field.is_repeated:
            fields[field.name] = dict(value) if hasattr(value, "keys") else [_to_json(field, item) for item in value]
        else:
            fields[field.name] = _to_json(field, value)
    return fields


def summarise_transfer(transfer: Transfer) -> list[tuple[str, str]]:
    """Return the report on one picture as rows of name and value."""
    sent, link, report = transfer.sent, transfer.link, transfer.received.report
    quality = report.quality if report.HasField("quality") else None
    return [
        ("picture", f"{sent.width}x{sent.height}" + "".join(f", {note}" for note in sent.notes)),
        ("codec", sent.codec),
        ("container", f"{len(sent.container)} bytes, {sent.bpp:.4f} bpp"),
        ("streams", describe_streams(sent)),
        ("packets", _describe_packets(sent)),
        ("protection", describe_protection(transfer.protection)),
        ("arrived", describe_delivery(link)),
        *[("repair", _describe_repair(one)) for one in report.repairs],
        ("Es/N0, Eb/N0", describe_snr(link)),
        ("MCS", str(link.mcs)),
        ("channel uses", f"{link.channel_uses}{_describe_cbr(link.account)}"),
        ("air time, energy", f"{link.account.air_time_s:.6g} s, {_describe_energy(link.account)}"),
        ("efficiency", f"{link.spectral_efficiency:.3f} delivered bits per channel use"),
        ("last arrival", f"{link.last_arrival_s:.6g} s after the first departure"),
        *(summarise_contact(link.contact) if link.HasField("contact") else []),
        *([("arrival date", link.last_arrival_date)] if link.last_arrival_date else []),
        ("decoder", f"{describe_decoder(report)}, on {report.device}, {report.decode_s:.2f} s"),
        ("received", describe_contents(report) or "-"),
        ("outcome", describe_outcome(report)),
        ("trust, 0 to 1", format_number(report.trust if report.HasField("trust") else None, 2)),
        ("PSNR", f"{format_number(quality.psnr_db if quality else None, 2)} dB"),
        ("MS-SSIM", format_number(quality.ms_ssim if quality and quality.HasField("ms_ssim") else None, 4)),
    ]


def describe_snr(link: channel_pb2.LinkReport | channel_pb2.DescribeChannelResponse) -> str:
    """Return Es/N0 and Eb/N0, also with the energy of pilots and cyclic prefixes if there are any."""
    text = f"{link.es_n0_db:.2f} dB, {link.eb_n0_db:.2f} dB"
    if abs(link.eb_n0_on_air_db - link.eb_n0_db) < 0.005:
        return text
    return f"{text} ({link.eb_n0_on_air_db:.2f} dB with pilots and cyclic prefixes)"


def summarise_contact(contact: channel_pb2.Contact) -> list[tuple[str, str]]:
    """Return a deep-space contact as rows of name and value."""
    minutes, seconds = divmod(contact.light_time_s, 60)
    sun = f"{contact.sun_angle_deg:.2f}°, {'behind' if contact.behind_sun else 'nearer than'} the Sun"
    if contact.HasField("rician_k_db"):
        sun += f": scintillation index {contact.scintillation_index:.3f}, K = {contact.rician_k_db:.1f} dB"
    station = f"{contact.station} at {contact.elevation_deg:.1f}° elevation"
    ends = f"{station}, {contact.body}" if contact.uplink else f"{contact.body}, {station}"
    return [
        ("uplink from, to" if contact.uplink else "from, to", ends),
        ("departs", f"{contact.departure_date} (window closes {contact.window_end_date})"),
        ("light time", f"{contact.light_time_s:.3f} s ({minutes:.0f} min {seconds:.0f} s), {contact.range_km:,.0f} km"),
        ("Sun angle", sun),
    ]


def make_accounting_table(account: channel_pb2.Account) -> tuple[str, list[str], list[list[str]]]:
    """Return title, columns and rows of what each stream, header, pilot and repair symbol costs on air."""
    fields = {
        "source": "source_bits",
        "header": "header_bits",
        "check": "check_bits",
        "repair": "repair_bits",
        "padding": "padding_bits",
        "parity": "parity_bits",
        "sum": "bits_on_air",
        "uses": "data_uses",
        "pilot": "pilot_uses",
        "grid": "grid_uses",
        "all": "channel_uses",
    }
    rows = [
        [charge.name, *(str(getattr(charge, field)) for field in fields.values())]
        for charge in (*account.charges, account.total)
    ]
    title = "Bits on air by purpose, then channel uses: data, pilots, rest of the resource grid, all"
    return title, ["bits", *fields], rows


def describe_decoder(report: receiver_pb2.ReceiveReport) -> str:
    """Return the decoder and its options, as in ``pocket, 1 step, fidelity 0.5, seed 0``; no HCI, no fidelity."""
    if not report.HasField("steps"):
        return report.decoder
    steps = "1 step" if report.steps == 1 else f"{report.steps} steps"
    fidelity = f", fidelity {report.fidelity:g}" if report.HasField("fidelity") else ""
    return f"{report.decoder}, {steps}{fidelity}, seed {report.seed}"


def describe_outcome(report: receiver_pb2.ReceiveReport) -> str:
    """Return the outcome, with the reason if the picture is not rebuilt: ``lost: no packet with ...``."""
    outcome = outcome_of(report)
    return f"{outcome}: {report.reason}" if outcome in (INVENTED, LOST) else outcome


def describe_delivery(link: channel_pb2.LinkReport) -> str:
    """Return how many packets arrived and why others did not, as in ``3 of 4; FEC failed 1, erased 0``."""
    rare = {"expired": link.expired, "out of order": link.reordered}
    text = f"{link.delivered} of {link.packets}; FEC failed {link.fec_failed}, erased {link.erased}"
    return text + "".join(f", {name} {count}" for name, count in rare.items() if count)


def describe_protection(chosen: ChosenProtection) -> str:
    """Return the protection, as in ``equal (auto): LPIPS-Alex 0.310 expected, none 0.552; HCI MCS 9 + 2 repair``."""
    losses = {str(name): f"{loss:.3f}" for name, loss in chosen.expected_lpips_alex.items()}
    parts = [str(chosen.chosen) if chosen.chosen is chosen.asked else f"{chosen.chosen} ({chosen.asked})"]
    if losses:
        others = [f"{name} {loss}" for name, loss in losses.items() if name != chosen.chosen]
        parts[0] += f": LPIPS-Alex {', '.join([losses[chosen.chosen] + ' expected', *others])}"
    if chosen.streams:
        repair = {one.kind: f" + {one.repair_packets} repair" if one.repair_packets else "" for one in chosen.streams}
        parts.append(", ".join(f"{one.kind} MCS {one.mcs}{repair[one.kind]}" for one in chosen.streams))
    return "; ".join([*parts, *([chosen.reason] if chosen.reason else [])])


def describe_contents(report: receiver_pb2.ReceiveReport) -> str:
    """Return what the complete streams hold, as in ``HCI 154x103 (av1); CAPTION a dog in the snow``."""
    return "; ".join(f"{stream_name(one)} {one.content}" for one in report.streams if one.content)


def describe_streams(sent: sender_pb2.SendReport) -> str:
    """Return the streams of a picture with their bytes, as in ``HCI 724, CAPTION 21``."""
    return ", ".join(f"{stream_name(stream)} {stream.bytes}" for stream in sent.streams)


def damaged_streams(report: receiver_pb2.ReceiveReport) -> list[str]:
    """Return the kinds of the streams that are complete but do not decode."""
    from shared.rpc.semlink.v1.receiver_pb2 import STREAM_STATE_DAMAGED

    return [stream_name(one) for one in report.streams if one.state == STREAM_STATE_DAMAGED]


def stream_name(stream: receiver_pb2.StreamReport | sender_pb2.StreamBytes) -> str:
    """Return the name of a stream's kind, as in ``HCI``."""
    return StreamKind(stream.kind).name


def _to_json(field: Any, value: Any) -> Any:
    if field.message_type is not None:
        return message_to_dict(value)
    if field.enum_type is not None:
        return field.enum_type.values_by_number[value].name.removeprefix("STREAM_KIND_")  # as everywhere: HCI
    return value


def _describe_packets(sent: sender_pb2.SendReport) -> str:
    repair = f", and {sent.repair_packets} for repair ({sent.repair_bytes} bytes)" if sent.repair_packets else ""
    return f"{sent.packets} ({sent.packet_bytes} bytes){repair}"


def _describe_repair(repair: receiver_pb2.RepairReport) -> str:
    """Return the result of one repair, as in ``HCI: 2 of 9 packets lost, all recovered with 3 repair packets``."""
    from shared.rpc.semlink.v1.receiver_pb2 import RepairState

    kinds = "+".join(StreamKind(kind).name for kind in repair.kinds)
    lost = repair.source_packets - repair.source_received
    packets = f"{repair.repair_received} repair packet{'' if repair.repair_received == 1 else 's'}"
    outcomes = {
        "WHOLE": "none to recover",
        "REPAIRED": f"all recovered with {packets}",
        "WAITING": f"none recovered: {packets} arrived, {repair.missing_symbols} more are needed",
        "DAMAGED": f"none recovered: {packets} arrived, and one of the packets is wrong",
    }
    outcome = outcomes[RepairState.Name(repair.state).removeprefix("REPAIR_STATE_")]
    return f"{kinds}: {lost} of {repair.source_packets} packets lost, {outcome}"


def _describe_cbr(account: channel_pb2.Account) -> str:
    return f" (CBR {account.cbr:.6f}, 1/{1 / account.cbr:.0f})" if account.cbr else ""


def _describe_energy(account: channel_pb2.Account) -> str:
    if account.HasField("energy_j"):
        return f"{account.energy_j:.6g} J"
    return f"{account.total.channel_uses} Es (the profile states no transmit_power_w)"
