"""Converts between the sender's values and the messages of ``proto/semlink/v1/sender.proto``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sender.expected_loss import ExpectedLoss
from sender.packets import make_packets
from shared.bitstream import bpp
from shared.codecs.recipe import change_recipe
from shared.codecs.registry import codecs, get_codec
from shared.errors import ConfigError
from shared.hub.registry import is_file_name
from shared.packets import DEFAULT_PACKET_BYTES, Packetiser
from shared.rpc.semlink.v1 import packet_pb2, sender_pb2
from shared.sealed import SEAL_BYTES
from shared.streams import StreamKind
from shared.validation import short_repr

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sender.packets import Packets
    from shared.bitstream import Bitstream
    from shared.codecs.recipe import Codec


def requested_packets(
    bitstream: Bitstream,
    codec: Codec,
    settings: sender_pb2.SendSettings,
) -> Packets:
    """Return the packets of ``bitstream`` that ``settings`` ask for.

    Raises:
        ConfigError: as ``make_packets``.
    """
    return make_packets(
        bitstream,
        packet_bytes=settings.packet_bytes or DEFAULT_PACKET_BYTES,
        picture_index=settings.picture_index,
        order=codec.streams,
        repair_overheads=settings.repair_overheads,
        counts=settings.next_sequence_counts,
        repair_count=settings.next_repair_count,
        sealed=settings.sealed,
    )


def requested_loss(settings: sender_pb2.SendSettings) -> ExpectedLoss:
    """Return the losses that ``settings`` prepare for.

    Raises:
        ConfigError: the share of lost packets is not 0 to 1, or a repair overhead not 0 to 10.
    """
    overhead = settings.repair_overheads.get(StreamKind.HCI, 0.0)
    packet_bytes = (settings.packet_bytes or DEFAULT_PACKET_BYTES) - (SEAL_BYTES if settings.sealed else 0)
    return ExpectedLoss(settings.expected_loss, packet_bytes, overhead)


def send_report(
    codec: Codec, bitstream: Bitstream, packets: Packets, *, notes: Sequence[str] = (), encode_s: float = 0.0
) -> sender_pb2.SendReport:
    """Return the report on one picture: its container, bytes per stream, source packets and repair packets."""
    container, header = bitstream.pack(), bitstream.header
    return sender_pb2.SendReport(
        codec=codec.name,
        width=header.width,
        height=header.height,
        container=container,
        streams=[
            sender_pb2.StreamBytes(kind=packet_pb2.StreamKind.ValueType(stream.kind), bytes=len(stream.payload))
            for stream in bitstream.streams
        ],
        bpp=bpp(len(container), header.width, header.height),
        packets=len(packets.source),
        packet_bytes=sum(map(len, packets.source)),
        repair_packets=len(packets.repair),
        repair_bytes=sum(map(len, packets.repair)),
        next_sequence_counts={int(kind): count for kind, count in packets.next_counts.items()},
        next_repair_count=packets.next_repair_count,
        notes=notes,
        encode_s=encode_s,
    )


def requested_codec(settings: sender_pb2.SendSettings) -> Codec:
    """Return the codec that ``settings`` name, with the changes that they ask for.

    The size of the packets is checked too, so that a wrong one is refused before the picture is encoded.

    Raises:
        UnknownNameError: there is no such codec.
        ConfigError: a change or the size of the packets breaks its rule.
    """
    Packetiser(settings.packet_bytes or DEFAULT_PACKET_BYTES)
    changes: dict[str, object] = {
        name: getattr(settings, name) for name in ("tokens", "latent_channels") if settings.HasField(name)
    }
    if settings.HasField("trade_off"):
        changes["trade_off"] = {"alpha": settings.trade_off.alpha, "beta": settings.trade_off.beta}
    return change_recipe(get_codec(settings.codec), changes, codecs().values())


def requested_captioner(settings: sender_pb2.SendSettings) -> str:
    """Return the model profile that ``settings`` name for the captioner; "": the captioner that ships.

    Raises:
        ConfigError: it is a file, which a caller could only name on its own machine.
    """
    if is_file_name(settings.captioner):
        raise ConfigError(
            f"captioner {short_repr(settings.captioner)}: a sender that runs elsewhere reads no files; give the name "
            "of a profile that it has in SEMLINK_PROFILES"
        )
    return settings.captioner


def list_codecs() -> sender_pb2.ListCodecsResponse:
    """Return the codecs by name, with their streams in order of importance."""
    return sender_pb2.ListCodecsResponse(
        codecs=[
            sender_pb2.Codec(
                name=codec.name,
                summary=codec.summary,
                streams=[packet_pb2.StreamKind.ValueType(kind) for kind in codec.streams],
            )
            for codec in codecs().values()
        ]
    )
