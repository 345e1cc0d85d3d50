"""The sender's settings that follow from the channel of its packets."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from shared.rpc.semlink.v1 import channel_pb2, sender_pb2


def settings_over(
    channel: channel_pb2.DescribeChannelResponse, send: sender_pb2.SendSettings
) -> sender_pb2.SendSettings:
    """Return ``send`` with the repair packets of ``channel``, and its predicted loss unless ``send`` states one."""
    told = type(send)(expected_loss=channel.packet_loss)
    told.MergeFrom(send)
    told.repair_overheads.update(channel.repair_overheads)
    return told
