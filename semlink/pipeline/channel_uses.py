"""A number of channel uses as the measure of a transmission: how much goes into it, and what comes out of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from channel.link.link import Link
from channel.link.outcome import Fate
from channel.link.transmission import Transmission
from channel.phy.mcs import mcs, transport_block
from receiver.reassembly import Reassembler
from shared.bitstream import HEADER_BYTES, MAX_BITSTREAM_BYTES, Bitstream
from shared.errors import BudgetError, ConfigError
from shared.packets import PACKET_OVERHEAD_BYTES, Packetiser
from shared.repair.decoder import RepairDecoder

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from channel.config import ChannelConfig
    from channel.link.transmission import LinkReport
    from channel.phy.coding import ChainCache
    from channel.phy.mcs import Mcs

PACKET_BYTES: Final = 256
MAX_CHANNEL_USES: Final = 1 << 24
_MAX_PAYLOAD_BYTES: Final = MAX_BITSTREAM_BYTES - 64  # header, tags and CRC


@dataclass(frozen=True, slots=True)
class Carried:
    """What came of a picture's packets: the whole streams, None where nothing told the picture's size; the totals."""

    bitstream: Bitstream | None
    report: LinkReport

    @property
    def all_delivered(self) -> bool:
        """Whether every packet arrived."""
        return self.report.fates[Fate.DELIVERED] == self.report.packets


def uses_of(packets: Sequence[bytes], config: ChannelConfig) -> int:
    """Return the complex channel uses that ``packets`` take over ``config``, pilots and prefixes included."""
    return sum(packet_uses(len(packet), config.scheme_of(packet), config) for packet in packets)


def packet_uses(packet_bytes: int, scheme: Mcs, config: ChannelConfig) -> int:
    """Return the channel uses of one packet of ``packet_bytes`` bytes under ``scheme``."""
    return config.propagation.channel_uses(transport_block(packet_bytes, scheme).channel_uses)


def packet_lengths(payload_bytes: int, packet_bytes: int = PACKET_BYTES) -> list[int]:
    """Return the bytes of each packet of one stream of ``payload_bytes``, as ``Packetiser`` cuts it."""
    full, rest = divmod(payload_bytes + HEADER_BYTES, packet_bytes - PACKET_OVERHEAD_BYTES)
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


def bitstream_within(
    encode: Callable[[int], Bitstream], channel_uses: int, config: ChannelConfig, packet_bytes: int = PACKET_BYTES
) -> Bitstream:
    """Return what ``encode`` makes of the largest budget of bytes whose packets take at most ``channel_uses``.

    ``encode`` takes the budget in bytes of the container, as ``sender.encode.encode_picture`` does. No repair is added.

    Raises:
        BudgetError: nothing fits.
        ConfigError: as ``payload_within``.
    """
    scheme = max(_schemes(config), key=lambda scheme: scheme.spectral_efficiency)
    budget = payload_within(channel_uses, scheme, config, packet_bytes) + HEADER_BYTES
    while budget > HEADER_BYTES:
        bitstream = encode(budget)
        packets = Packetiser(packet_bytes).packetise(bitstream, 0)
        uses = uses_of(packets, config)
        if uses <= channel_uses:
            return bitstream
        budget = min(budget - 1, budget * channel_uses // uses)
    raise BudgetError(f"{channel_uses} channel uses hold no stream at MCS {scheme.index}; give more, or a faster MCS")


def carried(
    packets: Sequence[bytes], config: ChannelConfig, *, picture_index: int = 0, chains: ChainCache | None = None
) -> Carried:
    """Send the packets of one picture over ``config``, and repair and reassemble what arrives, in order of arrival."""
    transmission = Transmission(Link(config, chains), picture_index)
    arrivals = [*transmission.carry(packets), *transmission.rest()]
    repair, reassembler = RepairDecoder(), Reassembler()
    for arrival in arrivals:
        for packet in repair.push(arrival.packet) if arrival.packet is not None else ():
            reassembler.push(packet)
    pictures = reassembler.picture_ids
    return Carried(reassembler.bitstream(pictures[-1]) if pictures else None, transmission.report())


def _schemes(config: ChannelConfig) -> list[Mcs]:
    return [config.scheme, *(mcs(index) for index in config.stream_mcs.values())]
