"""A transfer whose protection is chosen for its picture: an MCS and a repair overhead for each stream."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from semlink.pipeline.settings_over import settings_over
from semlink.pipeline.transfer import ChosenProtection, Protect, ignore_arrival, ignore_stage
from shared.rpc.semlink.v1 import receiver_pb2

if TYPE_CHECKING:
    from semlink.client.session import Session
    from semlink.pipeline.transfer import OnArrival, OnStage, Transfer
    from shared.rpc.semlink.v1 import channel_pb2, sender_pb2

LEAST_LOSS: Final = 0.001
"""Below this predicted loss of packets ``auto`` leaves the profile as it is, and predicts nothing else."""
STATED: Final = ("mcs", "repair_overhead", "protection.")
"""Changes of a profile, or how they start, that state the protection: ``auto`` leaves them as they are."""


def transfer_protected(
    session: Session,
    picture: bytes,
    send: sender_pb2.SendSettings,
    channel: channel_pb2.ChannelSettings,
    receive: receiver_pb2.ReceiveSettings | None = None,
    *,
    protect: Protect,
    on_stage: OnStage = ignore_stage,
    on_arrival: OnArrival = ignore_arrival,
) -> Transfer:
    """Send a picture file over the link with the protection ``protect``, in the channel uses of the profile as it is.

    The picture is encoded once, for the loss that the channel predicts under its profile's own protection. The channel
    predicts what each MCS and each number of repair packets costs and how likely it loses a stream. With ``auto``, what
    cannot be predicted leaves the profile as it is.

    Raises:
        ConfigError: not with ``auto``: the SNR is an Eb/N0, or the streams of the picture were not measured together.
        BudgetError: not with ``auto``: the channel uses of the profile are too few.
        LinkError: the picture, the codec or the channel is refused.
    """
    described = session.describe(channel)
    kept = _reason_to_keep(channel, described) if protect is Protect.AUTO else ""
    if kept or protect is Protect.NONE:
        transfer = session.transfer(picture, send, channel, receive, on_stage=on_stage, on_arrival=on_arrival)
        transfer.protection = ChosenProtection(protect, Protect.NONE, reason=kept)
        return transfer
    from semlink.client.protection import check_predictable, choose_protection  # noqa: PLC0415 - imports the channel

    if protect is not Protect.AUTO:
        check_predictable(session, channel)
    session.prepare(receive or receiver_pb2.ReceiveSettings())
    encoded = session.encode(picture, settings_over(described, send), on_stage)
    chosen, protected = choose_protection(session, encoded.container, send, channel, described, protect)
    packetised = type(send)()
    packetised.CopyFrom(send)
    packetised.container = encoded.container
    transfer = session.transfer(picture, packetised, protected, receive, on_stage=on_stage, on_arrival=on_arrival)
    transfer.sent.encode_s = encoded.encode_s
    transfer.sent.notes.extend(encoded.notes)
    transfer.protection = chosen
    return transfer


def _reason_to_keep(channel: channel_pb2.ChannelSettings, described: channel_pb2.DescribeChannelResponse) -> str:
    """Return why ``auto`` leaves the profile as it is before anything is encoded; empty if it need not."""
    stated = [name for name in sorted(channel.changes) if name.startswith(STATED)]
    if stated:
        return f"{', '.join(stated)} as given"
    return "hardly a packet is predicted to be lost" if described.packet_loss < LEAST_LOSS else ""
