"""A transfer with unequal protection: an MCS and a repair overhead for each stream, chosen for this picture."""

from __future__ import annotations

from typing import TYPE_CHECKING

from channel.service.loss_messages import loss_request, read_stream_options
from semlink.pipeline.protection import (
    MAX_REPAIR_OVERHEAD,
    choose_unequal_protection,
    count_shares,
    profile_changes,
    stream_lengths,
)
from semlink.pipeline.settings_over import settings_over
from semlink.pipeline.stream_importance import check_measured
from semlink.pipeline.transfer import ignore_arrival, ignore_stage
from sender.packets import make_packets
from shared.bitstream import Bitstream
from shared.packets import DEFAULT_PACKET_BYTES
from shared.rpc.semlink.v1 import channel_pb2, sender_pb2
from shared.streams import StreamKind

if TYPE_CHECKING:
    from semlink.client.session import Session
    from semlink.pipeline.transfer import OnArrival, OnStage, Transfer
    from shared.rpc.semlink.v1 import receiver_pb2


def transfer_unequally(
    session: Session,
    picture: bytes,
    send: sender_pb2.SendSettings,
    channel: channel_pb2.ChannelSettings,
    receive: receiver_pb2.ReceiveSettings | None = None,
    *,
    on_stage: OnStage = ignore_stage,
    on_arrival: OnArrival = ignore_arrival,
) -> Transfer:
    """Send a picture file over the link, with the channel uses divided among its streams by their importance.

    The picture is encoded once, for the loss that the channel predicts under its profile's own protection. The channel
    predicts what each MCS and each number of repair packets costs and how likely it loses a stream; the streams take no
    more channel uses than over ``channel`` as it is.

    Raises:
        ConfigError: the SNR is an Eb/N0, or the importance of a stream of the picture was not measured.
        LinkError: the picture, the codec or the channel is refused.
    """
    probe = {StreamKind.HCI: [DEFAULT_PACKET_BYTES]}
    session.predict_loss(loss_request(channel, probe, MAX_REPAIR_OVERHEAD))  # refuses a channel before the encoding
    encoded = session.encode(picture, settings_over(session.describe(channel), send), on_stage)
    protected = protect_unequally(session, Bitstream.unpack(encoded.container), send.packet_bytes, channel)
    packetised = sender_pb2.SendSettings()
    packetised.CopyFrom(send)
    packetised.container = encoded.container
    transfer = session.transfer(picture, packetised, protected, receive, on_stage=on_stage, on_arrival=on_arrival)
    transfer.sent.encode_s = encoded.encode_s
    transfer.sent.notes.extend(encoded.notes)
    return transfer


def protect_unequally(
    session: Session, bitstream: Bitstream, packet_bytes: int, channel: channel_pb2.ChannelSettings
) -> channel_pb2.ChannelSettings:
    """Return ``channel`` with an MCS and a repair overhead for each stream of ``bitstream``.

    The base is protected together with the HCI. Of streams in units, the expected share that arrives counts.

    Raises:
        ConfigError: as ``transfer_unequally``.
    """
    lengths = stream_lengths(make_packets(bitstream, packet_bytes=packet_bytes or DEFAULT_PACKET_BYTES).source)
    base = lengths.pop(StreamKind.BASE, []) if StreamKind.HCI in lengths else []
    lengths = {kind: sizes + base if kind is StreamKind.HCI else sizes for kind, sizes in lengths.items()}
    check_measured(lengths)
    prediction = session.predict_loss(loss_request(channel, lengths, MAX_REPAIR_OVERHEAD))
    options = read_stream_options(prediction)
    in_units = [stream.kind for stream in bitstream.streams if stream.lengths]
    options |= {kind: count_shares(options[kind]) for kind in in_units}
    chosen = choose_unequal_protection(options, prediction.channel_uses)
    changes = profile_changes(chosen, {kind: len(sizes) for kind, sizes in lengths.items()})
    if base:
        changes |= {f"protection.BASE.{one}": changes[f"protection.HCI.{one}"] for one in ("mcs", "repair_overhead")}
    protected = channel_pb2.ChannelSettings()
    protected.CopyFrom(channel)
    protected.changes.update(changes)
    return protected
