"""Channel uses as the size of a transmission: how many bytes fit, and how many uses packets take."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeVar

from channel.phy.mcs import mcs, transport_block
from shared.bitstream import MAX_BITSTREAM_BYTES, PICTURE_HEADER_BYTES
from shared.errors import BudgetError, ConfigError
from shared.packets import DEFAULT_PACKET_BYTES, PACKET_OVERHEAD_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from channel.config import ChannelConfig
    from channel.phy.mcs import Mcs

T = TypeVar("T")

PACKET_BYTES: Final = DEFAULT_PACKET_BYTES
MAX_CHANNEL_USES: Final = 1 << 24
_TAG_AND_CRC_BYTES: Final = 3  # of a container of one stream, beside its header
_MAX_PAYLOAD_BYTES: Final = MAX_BITSTREAM_BYTES - 64  # header, tags and CRC


def uses_of(packets: Sequence[bytes], config: ChannelConfig) -> int:
    """Return the complex channel uses that ``packets`` take over ``config``, pilots and prefixes included."""
    return sum(packet_uses(len(packet), config.scheme_of(packet), config) for packet in packets)


def packet_uses(packet_bytes: int, scheme: Mcs, config: ChannelConfig) -> int:
    """Return the channel uses of one packet of ``packet_bytes`` bytes under ``scheme``."""
    return config.propagation.channel_uses(transport_block(packet_bytes, scheme).channel_uses)


def packet_lengths(payload_bytes: int, packet_bytes: int = PACKET_BYTES) -> list[int]:
    """Return the bytes of each packet of one stream of ``payload_bytes``, as ``Packetiser`` cuts it."""
    full, rest = divmod(payload_bytes + PICTURE_HEADER_BYTES, packet_bytes - PACKET_OVERHEAD_BYTES)
    return [packet_bytes] * full + ([rest + PACKET_OVERHEAD_BYTES] if rest else [])


def payload_within(channel_uses: int, scheme: Mcs, config: ChannelConfig, packet_bytes: int = PACKET_BYTES) -> int:
    """Return the most bytes of one stream whose packets under ``scheme`` take at most ``channel_uses``; 0: none.

    Raises:
        ConfigError: ``channel_uses`` is out of range, or holds more than the largest bitstream.
    """
    check_channel_uses(channel_uses)

    def uses(payload_bytes: int) -> int:
        lengths = packet_lengths(payload_bytes, packet_bytes)
        full = packet_uses(packet_bytes, scheme, config) * (len(lengths) - 1)
        return full + packet_uses(lengths[-1], scheme, config)

    low, high = 0, _MAX_PAYLOAD_BYTES + 1
    if uses(high) <= channel_uses:
        raise ConfigError(
            f"channel_uses = {channel_uses}: at MCS {scheme.index} they hold more than a bitstream may, "
            f"{_MAX_PAYLOAD_BYTES} bytes; give at most {uses(high) - 1}, or take a slower MCS"
        )
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if uses(middle) <= channel_uses else (low, middle)
    return low


def check_channel_uses(channel_uses: int) -> None:
    """Check a number of complex channel uses.

    Raises:
        ConfigError: it is out of range.
    """
    if not 1 <= channel_uses <= MAX_CHANNEL_USES:
        raise ConfigError(f"channel_uses = {channel_uses}: give 1 to {MAX_CHANNEL_USES} complex symbols")


def fit_container(
    make: Callable[[int], tuple[T, Sequence[bytes]]],
    channel_uses: int,
    config: ChannelConfig,
    packet_bytes: int = PACKET_BYTES,
) -> T:
    """Return what ``make`` returns for the largest byte budget whose packets take at most ``channel_uses``.

    ``make`` takes a budget in bytes of the container and returns any value with all packets of that container, repair
    packets included. Budgets are tried from above.

    Raises:
        BudgetError: not even the smallest container fits.
        ConfigError: as ``payload_within``.
    """
    fastest = max(_schemes(config), key=lambda scheme: scheme.spectral_efficiency)
    budget = payload_within(channel_uses, fastest, config, packet_bytes) + PICTURE_HEADER_BYTES + _TAG_AND_CRC_BYTES
    while budget > 0:
        made, packets = make(budget)
        uses = uses_of(packets, config)
        if uses <= channel_uses:
            return made
        budget = min(budget - 1, budget * channel_uses // uses)
    raise BudgetError(f"{channel_uses} channel uses at MCS {config.mcs} hold no packet; allow more, or a faster MCS")


def _schemes(config: ChannelConfig) -> list[Mcs]:
    return [config.scheme, *(mcs(index) for index in config.stream_mcs.values())]
