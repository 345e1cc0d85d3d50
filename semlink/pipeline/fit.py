"""How many bytes of a picture fit into a number of channel uses, everything that goes on air counted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from channel.phy.mcs import mcs
from semlink.pipeline.channel_uses import payload_within, uses_of
from shared.bitstream import HEADER_BYTES
from shared.errors import BudgetError

if TYPE_CHECKING:
    from collections.abc import Callable

    from channel.config import ChannelConfig

_TAG_AND_CRC_BYTES: Final = 3  # of a container of one stream, beside its header


def packets_fitting(
    channel_uses: int, config: ChannelConfig, packet_bytes: int, packets_of: Callable[[int], list[bytes]]
) -> list[bytes]:
    """Return the packets of the largest container, found from above, that take at most ``channel_uses``.

    ``packets_of`` makes all packets, repair packets included, of the container of a budget in bytes.

    Raises:
        BudgetError: not even the smallest container fits.
        ConfigError: ``channel_uses`` is out of range.
    """
    schemes = [config.scheme, *(mcs(index) for index in config.stream_mcs.values())]
    fastest = max(schemes, key=lambda scheme: scheme.spectral_efficiency)
    budget = payload_within(channel_uses, fastest, config, packet_bytes) + HEADER_BYTES + _TAG_AND_CRC_BYTES
    while budget > 0:
        packets = packets_of(budget)
        uses = uses_of(packets, config)
        if uses <= channel_uses:
            return packets
        budget = min(budget - 1, budget * channel_uses // uses)
    raise BudgetError(f"{channel_uses} channel uses at MCS {config.mcs} hold no packet; allow more, or a faster MCS")
