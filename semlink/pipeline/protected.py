"""Unequal protection of one transmission: from a picture and a channel to the channel's changed settings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from channel.service.loss_messages import loss_request, predict_loss, read_stream_options
from semlink.pipeline.protection import (
    MAX_REPAIR_OVERHEAD,
    choose_unequal_protection,
    profile_changes,
    stream_lengths,
)
from semlink.pipeline.stream_importance import check_measured
from shared.bitstream import Bitstream
from shared.packets import DEFAULT_PACKET_BYTES, Packetiser
from shared.rpc.semlink.v1 import channel_pb2

if TYPE_CHECKING:
    from semlink.client.session import Session
    from shared.rpc.semlink.v1 import sender_pb2


def protect_unequally(
    session: Session, picture: bytes, send: sender_pb2.SendSettings, channel: channel_pb2.ChannelSettings
) -> channel_pb2.ChannelSettings:
    """Return ``channel`` with an MCS and a repair overhead for each stream of ``picture``.

    The streams take no more channel uses than over ``channel`` as it is. The picture is encoded once more, for the
    lengths of its packets. The losses are predicted in this process: a channel that is installed at a remote service
    only is not known here.

    Raises:
        ConfigError: the SNR is an Eb/N0, or the importance of a stream of the picture was not measured.
        LinkError: the picture, the codec or the channel is refused.
    """
    bitstream = Bitstream.unpack(session.encode(picture, send).container)
    lengths = stream_lengths(Packetiser(send.packet_bytes or DEFAULT_PACKET_BYTES).packetise(bitstream, 0))
    check_measured(lengths)
    prediction = predict_loss(loss_request(channel, lengths, MAX_REPAIR_OVERHEAD))
    options = read_stream_options(prediction)
    chosen = choose_unequal_protection(options, prediction.channel_uses)
    protected = channel_pb2.ChannelSettings()
    protected.MergeFrom(channel)
    protected.changes.update(profile_changes(chosen, {kind: len(sizes) for kind, sizes in lengths.items()}))
    return protected
