"""The sender's report on one picture, as a message of the wire contract."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shared.bitstream import bpp
from shared.rpc.semlink.v1 import packet_pb2, sender_pb2

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shared.bitstream import Bitstream
    from shared.codecs.recipe import Codec
    from shared.picture import Picture


def send_report(
    codec: Codec,
    picture: Picture,
    bitstream: Bitstream,
    *,
    packets: Sequence[bytes],
    repairs: Sequence[bytes] = (),
    encode_s: float,
) -> sender_pb2.SendReport:
    """Return the report on ``picture``: its container, bytes per stream, source packets and repair packets."""
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
        packets=len(packets),
        packet_bytes=sum(map(len, packets)),
        repair_packets=len(repairs),
        repair_bytes=sum(map(len, repairs)),
        notes=picture.notes,
        encode_s=encode_s,
    )
