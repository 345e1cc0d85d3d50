"""The cost of a picture on air, in bits and channel uses, for each of its streams.

Every bit on air has one purpose, so the parts add up exactly::

    source + header + check + repair + padding + parity = bits on air
    bits on air / Qm + pilots + rest of the grid        = channel uses
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from channel.checks import check_not_negative, check_positive
from channel.phy.mcs import CRC_BITS, transport_block
from shared.errors import ConfigError, PacketError
from shared.packets import PACKET_CRC_BYTES, Packet
from shared.repair.packet import DIGEST_BYTES, RepairPacket, is_repair
from shared.sealed import CHECK_BYTES, is_sealed, unsealed

if TYPE_CHECKING:
    from collections.abc import Iterable

    from channel.phy.mcs import Mcs


@dataclass(frozen=True, slots=True)
class Cost:
    """Cost of the packets under one name.

    Bits on air by purpose: ``source`` is entropy-coded payload. ``header`` are primary headers, picture ids, picture
    headers and the descriptions of repaired objects. ``check`` are the packets' CRC-16, the transport blocks' CRC-24A
    and the hashes of repaired objects. ``repair`` are RaptorQ symbols, ``padding`` the zeros that fill a transport
    block, ``parity`` the bits that the channel code adds.

    Channel uses: ``data_uses`` complex symbols carry these bits, ``pilot_uses`` are pilots, ``grid_uses`` the rest of
    an OFDM grid: cyclic prefixes, empty carriers, unused data elements.
    """

    name: str
    packets: int
    source_bits: int
    header_bits: int
    check_bits: int
    repair_bits: int
    padding_bits: int
    parity_bits: int
    data_uses: int
    pilot_uses: int
    grid_uses: int = 0

    @property
    def bits_on_air(self) -> int:
        """Coded bits, the sum of all purposes."""
        return (
            self.source_bits
            + self.header_bits
            + self.check_bits
            + self.repair_bits
            + self.padding_bits
            + self.parity_bits
        )

    @property
    def channel_uses(self) -> int:
        """Complex symbols, pilots and the rest of the grid included."""
        return self.data_uses + self.pilot_uses + self.grid_uses

    @property
    def spectral_efficiency(self) -> float:
        """Source bits per channel use; 0 if nothing is sent."""
        return self.source_bits / self.channel_uses if self.channel_uses else 0.0


_NUMBERS: Final = tuple(name for name in Cost.__slots__ if name != "name")


def add_costs(name: str, costs: Iterable[Cost]) -> Cost:
    """Return the sum of ``costs`` under ``name``."""
    held = tuple(costs)
    return Cost(name, *(sum(getattr(cost, number) for cost in held) for number in _NUMBERS))


def packet_cost(packet: bytes, scheme: Mcs, *, pilot_uses: int = 0, grid_uses: int = 0) -> Cost:
    """Return the cost of one packet under ``scheme``, with the pilots and other elements of its OFDM grid.

    The name of a stream's packet is its kind, that of a repair packet ``repair`` and the kinds that it repairs. Bytes
    that are not a packet of this link count as payload of ``other``.

    Raises:
        ConfigError: the packet is longer than ``scheme`` carries, or a number of pilots or grid elements is negative.
    """
    if min(pilot_uses, grid_uses) < 0:
        raise ConfigError(f"{pilot_uses} pilot symbols and {grid_uses} of the grid: give 0 or more")
    name, source_bytes, repair_bytes, check_bytes = _count_bytes(packet)
    block = transport_block(len(packet), scheme)
    return Cost(
        name=name,
        packets=1,
        source_bits=8 * source_bytes,
        header_bits=8 * (len(packet) - source_bytes - repair_bytes - check_bytes),
        check_bits=8 * check_bytes + CRC_BITS,
        repair_bits=8 * repair_bytes,
        padding_bits=8 * (block.payload_bytes - len(packet)),
        parity_bits=block.coded_bits - block.information_bits,
        data_uses=block.channel_uses,
        pilot_uses=pilot_uses,
        grid_uses=grid_uses,
    )


def _count_bytes(packet: bytes) -> tuple[str, int, int, int]:
    """Return the name of a packet's cost, and its bytes of payload, repair symbol and checks."""
    check_bytes = CHECK_BYTES if is_sealed(packet) else PACKET_CRC_BYTES
    try:
        inner = unsealed(packet)
        if is_repair(inner):
            repair = RepairPacket.unpack(inner)
            name = f"repair {'+'.join(run.kind.name for run in repair.header.runs)}"
            return name, 0, len(repair.symbol), DIGEST_BYTES + check_bytes
        stream_packet = Packet.unpack(inner)
    except PacketError:
        return "other", len(packet), 0, 0
    return stream_packet.kind.name, len(stream_packet.data), 0, check_bytes


@dataclass(frozen=True, slots=True)
class CostBreakdown:
    """The cost of one picture: ``costs`` by name, and what turns channel uses into ratios, seconds and joules.

    ``symbol_energy_j`` is Es, the energy of one channel use in joules at the place of interest (at the transmitter:
    transmit power over symbol rate); 1 counts energy in units of Es. Pilots have the energy of any other symbol.
    ``width`` and ``height`` are 0 if no packet contained the picture's size.
    """

    costs: tuple[Cost, ...]
    width: int
    height: int
    symbol_rate_hz: float
    symbol_energy_j: float
    light_time_s: float

    @property
    def total(self) -> Cost:
        """The sum over all names."""
        return add_costs("total", self.costs)

    @property
    def cbr(self) -> float | None:
        """Channel bandwidth ratio: complex channel uses / (3 · H · W), for grey pictures too; None without a size."""
        return self.total.channel_uses / (3 * self.width * self.height) if self.width else None

    @property
    def energy_j(self) -> float:
        """Energy of the picture in joules: channel uses · Es."""
        return self.total.channel_uses * self.symbol_energy_j

    @property
    def air_time_s(self) -> float:
        """Seconds on air: channel uses / symbol rate."""
        return self.total.channel_uses / self.symbol_rate_hz


def break_down_costs(
    costs: Iterable[Cost],
    *,
    width: int,
    height: int,
    symbol_rate_hz: float,
    symbol_energy_j: float,
    light_time_s: float = 0.0,
) -> CostBreakdown:
    """Return the cost breakdown of one picture from the costs of its packets, added up by name.

    Raises:
        ConfigError: a side is below 1 pixel (0 by 0 stands for an unknown size), a symbol rate or energy is not
            positive, or a light time is negative.
    """
    if (width, height) != (0, 0) and min(width, height) < 1:
        raise ConfigError(f"a picture of {width}x{height} pixels: give sides of at least 1")
    check_positive("symbol_rate_hz", symbol_rate_hz)
    check_positive("symbol_energy_j", symbol_energy_j)
    check_not_negative("light_time_s", light_time_s)
    by_name: dict[str, list[Cost]] = {}
    for cost in costs:
        by_name.setdefault(cost.name, []).append(cost)
    sums = tuple(add_costs(name, held) for name, held in by_name.items())
    return CostBreakdown(sums, width, height, symbol_rate_hz, symbol_energy_j, light_time_s)
