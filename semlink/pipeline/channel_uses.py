"""Channel uses (complex symbols) as the size of a transmission: how many bytes fit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeVar

from channel.link.channel_uses import count_channel_uses, packet_uses
from channel.phy.mcs import mcs
from shared.bitstream import MAX_BITSTREAM_BYTES, PICTURE_HEADER_BYTES
from shared.errors import BudgetError, ConfigError
from shared.packets import DEFAULT_PACKET_BYTES, PACKET_OVERHEAD_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from channel.config import ChannelConfig
    from channel.phy.mcs import Mcs

T = TypeVar("T")

MAX_CHANNEL_USES: Final = 1 << 24
_TAG_AND_CRC_BYTES: Final = 3  # of a container with one stream, besides its header
_MAX_PAYLOAD_BYTES: Final = MAX_BITSTREAM_BYTES - 64  # header, tags and CRC


def packet_lengths(payload_bytes: int, packet_bytes: int = DEFAULT_PACKET_BYTES) -> list[int]:
    """Return the length in bytes of each packet into which ``Packetiser`` cuts one stream of ``payload_bytes``."""
    full, rest = divmod(payload_bytes + PICTURE_HEADER_BYTES, packet_bytes - PACKET_OVERHEAD_BYTES)
    return [packet_bytes] * full + ([rest + PACKET_OVERHEAD_BYTES] if rest else [])


def max_payload_bytes(
    channel_uses: int, scheme: Mcs, config: ChannelConfig, packet_bytes: int = DEFAULT_PACKET_BYTES
) -> int:
    """Return the length of the largest stream whose packets under ``scheme`` fit ``channel_uses``; 0 if none fits.

    Raises:
        ConfigError: ``channel_uses`` is out of range, or more than the largest bitstream takes.
    """
    check_channel_uses(channel_uses)

    def uses(payload_bytes: int) -> int:
        lengths = packet_lengths(payload_bytes, packet_bytes)
        full = packet_uses(packet_bytes, scheme, config) * (len(lengths) - 1)
        return full + packet_uses(lengths[-1], scheme, config)

    low, high = 0, _MAX_PAYLOAD_BYTES + 1
    if uses(high) <= channel_uses:
        raise ConfigError(
            f"channel_uses = {channel_uses}: at MCS {scheme.index} they hold more than the largest bitstream, "
            f"{_MAX_PAYLOAD_BYTES} bytes; give at most {uses(high) - 1}, or a slower MCS"
        )
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if uses(middle) <= channel_uses else (low, middle)
    return low


def check_channel_uses(channel_uses: int) -> None:
    """Check a number of channel uses.

    Raises:
        ConfigError: it is out of range.
    """
    if not 1 <= channel_uses <= MAX_CHANNEL_USES:
        raise ConfigError(f"channel_uses = {channel_uses}: give 1 to {MAX_CHANNEL_USES} complex symbols")


def fit_container(
    make: Callable[[int], tuple[T, Sequence[bytes]]],
    channel_uses: int,
    config: ChannelConfig,
    packet_bytes: int = DEFAULT_PACKET_BYTES,
) -> T:
    """Return the value that ``make`` returns at the largest byte budget whose packets fit ``channel_uses``.

    ``make`` takes the budget of a container in bytes. It returns any value and all packets of the container, repair
    packets included. Budgets are tried in falling order.

    Raises:
        BudgetError: the smallest container does not fit.
        ConfigError: as ``max_payload_bytes``.
    """
    fastest = max(_schemes(config), key=lambda scheme: scheme.spectral_efficiency)
    budget = max_payload_bytes(channel_uses, fastest, config, packet_bytes) + PICTURE_HEADER_BYTES + _TAG_AND_CRC_BYTES
    while budget > 0:
        value, packets = make(budget)
        uses = count_channel_uses(packets, config)
        if uses <= channel_uses:
            return value
        budget = min(budget - 1, budget * channel_uses // uses)
    raise BudgetError(f"{channel_uses} channel uses at MCS {config.mcs} hold no packet; give more, or a faster MCS")


def _schemes(config: ChannelConfig) -> list[Mcs]:
    return [config.scheme, *(mcs(index) for index in config.stream_mcs.values())]
