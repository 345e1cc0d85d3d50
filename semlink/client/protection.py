"""Asks the channel for predicted losses, and chooses the protection of one picture by them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from channel.service.loss_messages import loss_request, read_profile_mcs, read_stream_options
from semlink.pipeline.protection import MAX_REPAIR_OVERHEAD, profile_changes, stream_lengths
from semlink.pipeline.protection_choice import compare_protections, pick_protection
from semlink.pipeline.stream_importance import load_importance
from semlink.pipeline.transfer import ChosenProtection, Protect
from sender.packets import make_packets
from shared.bitstream import Bitstream
from shared.errors import BudgetError, ConfigError
from shared.packets import DEFAULT_PACKET_BYTES
from shared.rpc.semlink.v1 import channel_pb2, sender_pb2
from shared.streams import StreamKind

if TYPE_CHECKING:
    from semlink.client.session import Session


def check_predictable(session: Session, channel: channel_pb2.ChannelSettings) -> None:
    """Refuse, before anything is encoded, a channel whose losses cannot be predicted.

    Raises:
        ConfigError: the SNR is an Eb/N0.
    """
    session.predict_loss(loss_request(channel, {StreamKind.HCI: [DEFAULT_PACKET_BYTES]}, MAX_REPAIR_OVERHEAD))


def choose_protection(
    session: Session,
    container: bytes,
    send: sender_pb2.SendSettings,
    channel: channel_pb2.ChannelSettings,
    described: channel_pb2.DescribeChannelResponse,
    protect: Protect,
) -> tuple[ChosenProtection, channel_pb2.ChannelSettings]:
    """Return the protection of ``container``, and ``channel`` with an MCS and a repair overhead for each stream.

    ``send`` are the settings that make its packets, ``described`` is the description of ``channel``.

    Raises:
        ConfigError: not with ``auto``: the losses cannot be predicted, or the streams were not measured together.
        BudgetError: not with ``auto``: the channel uses of the profile are too few.
    """
    bitstream = Bitstream.unpack(container)
    packet_bytes = send.packet_bytes or DEFAULT_PACKET_BYTES
    lengths = stream_lengths(make_packets(bitstream, packet_bytes=packet_bytes, sealed=send.sealed).source)
    importance = load_importance()
    try:
        prediction = session.predict_loss(loss_request(channel, lengths, MAX_REPAIR_OVERHEAD))
        compared = compare_protections(
            read_stream_options(prediction),
            [stream.kind for stream in bitstream.streams if stream.lengths],
            read_profile_mcs(prediction),
            described.repair_overheads,
            prediction.channel_uses,
            importance,
        )
    except (ConfigError, BudgetError) as error:
        if protect is not Protect.AUTO:
            raise
        return ChosenProtection(protect, Protect.NONE, reason=str(error)), channel
    chosen = pick_protection(protect, compared, importance)
    if chosen.chosen is Protect.NONE:
        return chosen, channel
    protected = channel_pb2.ChannelSettings()
    protected.CopyFrom(channel)
    protected.changes.update(
        profile_changes(compared[chosen.chosen], {kind: len(sizes) for kind, sizes in lengths.items()})
    )
    return chosen, protected
