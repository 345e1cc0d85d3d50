"""A transmission whose channel uses are dealt out by what each stream is worth."""

from __future__ import annotations

from typing import TYPE_CHECKING

from channel.profile.registry import DEFAULT_CHANNEL, load_profile, parse_profile
from semlink.pipeline.channel_uses import count_channel_uses
from semlink.pipeline.protection import require_measured, settings_of, stream_lengths, unequal_protection
from sender.repair import repair_packets
from shared.bitstream import Bitstream
from shared.errors import ConfigError
from shared.packets import DEFAULT_PACKET_BYTES, Packetiser
from shared.repair.encoder import RepairEncoder
from shared.rpc.semlink.v1 import channel_pb2

if TYPE_CHECKING:
    from semlink.client.session import Session
    from shared.rpc.semlink.v1 import sender_pb2


def protect_unequally(
    session: Session, picture: bytes, send: sender_pb2.SendSettings, channel: channel_pb2.ChannelSettings
) -> channel_pb2.ChannelSettings:
    """Return ``channel`` with an MCS and a repair overhead for each stream that ``picture`` has.

    The streams take no more channel uses than they would over ``channel`` as it is. The picture is encoded once more,
    for the lengths of its packets, and the profile is read here: a channel that is installed at a remote service alone
    is not known.

    Raises:
        ConfigError: the SNR is an Eb/N0, or the picture has a stream whose worth was not measured.
        LinkError: the picture, the codec or the channel is refused.
    """
    named = channel.profile or DEFAULT_CHANNEL, dict(channel.changes)
    profile = parse_profile(channel.profile_yaml, *named) if channel.profile_yaml else load_profile(*named)
    config = profile.config(run_seed=channel.run_seed)
    if config.snr_kind != "esn0":
        raise ConfigError("--protect unequal needs snr_kind esn0: at one Eb/N0 each MCS has another SNR")
    bitstream = Bitstream.unpack(session.encode(picture, send).container)
    packets = Packetiser(send.packet_bytes or DEFAULT_PACKET_BYTES).packetise(bitstream, 0)
    overheads = {int(kind): overhead for kind, overhead in profile.repair_overheads().items()}
    repairs = repair_packets(packets, overheads, RepairEncoder())
    lengths = stream_lengths(packets)
    require_measured(lengths)
    chosen = unequal_protection(lengths, config, count_channel_uses([*packets, *repairs], config))
    protected = channel_pb2.ChannelSettings()
    protected.MergeFrom(channel)
    protected.changes.update(settings_of(chosen, lengths))
    return protected
