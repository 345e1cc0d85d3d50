"""The loss of packets that a sender prepares for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from channel.link.loss_model import predict_packet_loss
from shared.packets import DEFAULT_PACKET_BYTES
from shared.streams import StreamKind

if TYPE_CHECKING:
    from channel.config import ChannelConfig


def expected_packet_loss(config: ChannelConfig, packet_bytes: int = DEFAULT_PACKET_BYTES) -> float:
    """Return the predicted share of packets with slices of the HCI (highly compressed image) that ``config`` loses.

    A packet has ``packet_bytes``, or as many as its MCS carries. Repair is not counted: the sender does that.
    """
    scheme = config.stream_scheme(StreamKind.HCI)
    return predict_packet_loss(config, scheme, min(packet_bytes, scheme.max_packet_bytes))
