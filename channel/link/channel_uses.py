"""Channel uses (complex symbols) of packets, with the pilots and cyclic prefixes of an OFDM grid."""

from __future__ import annotations

from typing import TYPE_CHECKING

from channel.phy.mcs import transport_block

if TYPE_CHECKING:
    from collections.abc import Sequence

    from channel.config import ChannelConfig
    from channel.phy.mcs import Mcs


def packet_uses(packet_bytes: int, scheme: Mcs, config: ChannelConfig) -> int:
    """Return the channel uses of one packet of ``packet_bytes`` bytes under ``scheme``.

    Raises:
        ConfigError: the packet is longer than ``scheme`` carries.
    """
    return config.propagation.channel_uses(transport_block(packet_bytes, scheme).channel_uses)


def count_channel_uses(packets: Sequence[bytes], config: ChannelConfig) -> int:
    """Return the channel uses of ``packets``, each under the scheme that ``config`` gives it.

    Raises:
        ConfigError: a packet is longer than its scheme carries.
    """
    return sum(packet_uses(len(packet), config.scheme_of(packet), config) for packet in packets)
