"""What a picture cost on air, bit by bit and channel use by channel use, for each of its streams.

Every bit on air has one purpose, so the parts add up exactly::

    source + header + check + repair + padding + parity = bits on air
    bits on air / Qm + pilots + rest of the grid        = channel uses
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from channel.phy.mcs import CRC_BITS, transport_block
from shared.errors import ConfigError, PacketError
from shared.packets import PACKET_CRC_BYTES, Packet
from shared.repair.packet import DIGEST_BYTES, RepairPacket, is_repair

if TYPE_CHECKING:
    from collections.abc import Iterable

    from channel.phy.mcs import Mcs

_COLUMNS: Final = (
    "stream",
    "packets",
    "source",
    "header",
    "check",
    "repair",
    "padding",
    "parity",
    "bits on air",
    "pilot uses",
    "grid uses",
    "channel uses",
    "source bits per use",
)


@dataclass(frozen=True, slots=True)
class Charge:
    """What the packets under one name cost.

    Bits on air by purpose: ``source`` is entropy-coded payload, ``header`` primary headers, picture ids, picture
    headers and the description of a repaired object, ``check`` the packets' CRC-16, the transport blocks' CRC-24A and
    the objects' hash, ``repair`` RaptorQ symbols, ``padding`` the zeros that fill a transport block, ``parity`` what
    the channel code adds. ``data_uses`` complex symbols carry these bits, ``pilot_uses`` are known to the receiver,
    ``grid_uses`` are what else of an OFDM grid goes on air: prefixes, empty carriers, data elements left over.
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
        """Source bits sent per channel use; 0 where nothing is sent."""
        return self.source_bits / self.channel_uses if self.channel_uses else 0.0

    def under(self, name: str, other: Charge) -> Charge:
        """Return the sum of both charges as ``name``."""
        return Charge(
            name,
            self.packets + other.packets,
            self.source_bits + other.source_bits,
            self.header_bits + other.header_bits,
            self.check_bits + other.check_bits,
            self.repair_bits + other.repair_bits,
            self.padding_bits + other.padding_bits,
            self.parity_bits + other.parity_bits,
            self.data_uses + other.data_uses,
            self.pilot_uses + other.pilot_uses,
            self.grid_uses + other.grid_uses,
        )


def packet_charge(packet: bytes, scheme: Mcs, *, pilot_uses: int = 0, grid_uses: int = 0) -> Charge:
    """Return what one packet costs under ``scheme``, with pilots and other elements of a grid of its own.

    A stream's packet is charged to its kind, a repair packet to ``repair`` and the kinds that it repairs; what is no
    packet of this link counts as payload of ``other``.

    Raises:
        ConfigError: longer than ``scheme`` carries, or a negative number of pilots or grid elements.
    """
    if min(pilot_uses, grid_uses) < 0:
        raise ConfigError(f"{pilot_uses} pilot symbols and {grid_uses} of the grid: give 0 or more")
    name, source_bytes, repair_bytes, check_bytes = _parts(packet)
    block = transport_block(len(packet), scheme)
    return Charge(
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


def _parts(packet: bytes) -> tuple[str, int, int, int]:
    """Return whom a packet is charged to, and its bytes of payload, repair symbol and checks."""
    try:
        if is_repair(packet):
            repair = RepairPacket.unpack(packet)
            name = f"repair {'+'.join(run.kind.name for run in repair.header.runs)}"
            return name, 0, len(repair.symbol), DIGEST_BYTES + PACKET_CRC_BYTES
        stream_packet = Packet.unpack(packet)
    except PacketError:
        return "other", len(packet), 0, 0
    return stream_packet.kind.name, len(stream_packet.data), 0, PACKET_CRC_BYTES


@dataclass(frozen=True, slots=True)
class Account:
    """The cost of one picture: ``charges`` by name, and what turns channel uses into ratios, seconds and joules.

    ``symbol_energy_j`` is Es, the energy of one channel use in joules at the place of interest (at the transmitter,
    transmit power over symbol rate); 1 counts energy in units of Es. Pilots have the energy of any other symbol.
    ``width`` and ``height`` are 0 where no packet told the picture's size.
    """

    charges: tuple[Charge, ...]
    width: int
    height: int
    symbol_rate_hz: float
    symbol_energy_j: float
    light_time_s: float

    @property
    def total(self) -> Charge:
        """The sum over all names."""
        total = Charge("total", *[0] * 9)
        for charge in self.charges:
            total = total.under("total", charge)
        return total

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

    def markdown(self) -> str:
        """Return the breakdown as a Markdown table, and the picture's ratios in a line below it."""
        lines = [_row(*_COLUMNS), _row(*["---"] * len(_COLUMNS))]
        lines += [_charge_row(charge) for charge in (*self.charges, self.total)]
        cbr = "unknown" if self.cbr is None else f"{self.cbr:.6f}"
        return "\n".join(lines) + (
            f"\n\nCBR {cbr} complex uses / (3·H·W) at {self.width}×{self.height}; "
            f"energy {self.energy_j:.6g} J at Es = {self.symbol_energy_j:.6g} J per use; "
            f"air time {self.air_time_s:.6g} s at {self.symbol_rate_hz:.6g} symbols/s; "
            f"light time {self.light_time_s:.6g} s.\n"
        )


def account(
    charges: Iterable[Charge],
    *,
    width: int,
    height: int,
    symbol_rate_hz: float,
    symbol_energy_j: float,
    light_time_s: float = 0.0,
) -> Account:
    """Return the account of one picture from the charges of its packets, added up by name.

    Raises:
        ConfigError: a side below 1 pixel (0 by 0 stands for an unknown size), a symbol rate or energy that is not
            positive, a negative light time.
    """
    if (width, height) != (0, 0) and min(width, height) < 1:
        raise ConfigError(f"a picture of {width}x{height} pixels: give sides of at least 1")
    _require(symbol_rate_hz > 0, "symbol_rate_hz", symbol_rate_hz, "more than 0")
    _require(symbol_energy_j > 0, "symbol_energy_j", symbol_energy_j, "more than 0")
    _require(light_time_s >= 0, "light_time_s", light_time_s, "0 or more")
    by_name: dict[str, Charge] = {}
    for charge in charges:
        held = by_name.get(charge.name)
        by_name[charge.name] = held.under(charge.name, charge) if held else charge
    return Account(tuple(by_name.values()), width, height, symbol_rate_hz, symbol_energy_j, light_time_s)


def _require(holds: bool, name: str, value: float, rule: str) -> None:
    if not (holds and math.isfinite(value)):
        raise ConfigError(f"{name} = {value}: give {rule}")


def _charge_row(charge: Charge) -> str:
    return _row(
        charge.name,
        charge.packets,
        charge.source_bits,
        charge.header_bits,
        charge.check_bits,
        charge.repair_bits,
        charge.padding_bits,
        charge.parity_bits,
        charge.bits_on_air,
        charge.pilot_uses,
        charge.grid_uses,
        charge.channel_uses,
        f"{charge.spectral_efficiency:.4f}",
    )


def _row(*cells: object) -> str:
    return f"| {' | '.join(map(str, cells))} |"
