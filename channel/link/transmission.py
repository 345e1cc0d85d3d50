"""One picture's packets over a link: each in the order in which its fate is settled, and the books of all of them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from channel.link.accounting import Account, Charge, account, packet_charge
from channel.link.outcome import Fate, Flights
from channel.phy.mcs import transport_block
from shared.errors import PacketError
from shared.packets import Packet

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Iterable, Sequence

    from channel.link.link import Arrival, Link
    from shared.bitstream import PictureHeader


@dataclass(frozen=True, slots=True)
class LinkReport:
    """Totals of the packets whose fate is settled; ``packets`` is their number.

    ``fates`` says how many met which, ``reordered`` how many arrived after one that was sent later (RFC 4737, 3.3),
    ``information_bits`` are those of all packets before coding, ``spectral_efficiency`` is delivered information bits
    per channel use, ``last_arrival_s`` when the last fate was settled.
    """

    packets: int
    fates: Counter[Fate]
    reordered: int
    information_bits: int
    spectral_efficiency: float
    last_arrival_s: float
    account: Account


class Transmission:
    """The packets of picture ``picture_index`` over ``link``, in any number of calls, which change nothing."""

    def __init__(self, link: Link, picture_index: int) -> None:
        self._link = link
        self._picture_index = picture_index
        self._flights: Flights[Arrival] = Flights()
        self._charges: dict[str, Charge] = {}
        self._uses = 0
        self._header: PictureHeader | None = None
        self._information_bits = 0
        self._delivered_bits = 0
        self._latest_index = -1
        self._reordered = 0
        self._last_arrival_s = 0.0

    @property
    def in_flight(self) -> int:
        """Number of packets whose fate is not settled yet."""
        return self._flights.in_flight

    def carry(self, packets: Sequence[bytes]) -> list[Arrival]:
        """Send ``packets`` after those before; return the arrivals that no later packet can come before, in order.

        Raises:
            ConfigError, PacketError: as ``Link.transmit``; then none of ``packets`` was sent.
        """
        arrivals = self._link.transmit(
            packets,
            picture_index=self._picture_index,
            first_index=self._flights.sent,
            uses_before=self._uses,
        )
        for packet, arrival in zip(packets, arrivals, strict=True):
            self._charge(packet, arrival)
        self._flights.send(arrivals)
        return self._settled(self._flights.advance(self._earliest_end_s()))

    def rest(self) -> list[Arrival]:
        """Return all arrivals that are still to come, in order."""
        return self._settled(self._flights.advance(math.inf))

    def report(self) -> LinkReport:
        """Return the totals so far."""
        config = self._link.config
        watts = config.transmit_power_w
        books = account(
            self._charges.values(),
            width=self._header.width if self._header else 0,
            height=self._header.height if self._header else 0,
            symbol_rate_hz=config.symbol_rate_hz,
            symbol_energy_j=1.0 if watts is None else watts / config.symbol_rate_hz,
            light_time_s=config.propagation_delay_s,
        )
        return LinkReport(
            packets=self._flights.ended.total(),
            fates=self._flights.ended,
            reordered=self._reordered,
            information_bits=self._information_bits,
            spectral_efficiency=self._delivered_bits / self._uses if self._uses else 0.0,
            last_arrival_s=self._last_arrival_s,
            account=books,
        )

    def _earliest_end_s(self) -> float:
        """Return when the fate of a packet that is sent from now on can be settled at the earliest."""
        config = self._link.config
        lifetime_s = math.inf if config.lifetime_s is None else config.lifetime_s
        return self._uses / config.symbol_rate_hz + min(config.propagation_delay_s, lifetime_s)

    def _charge(self, packet: bytes, arrival: Arrival) -> None:
        config = self._link.config
        scheme = config.scheme_of(packet)
        symbols = transport_block(len(packet), scheme).channel_uses
        pilots = config.propagation.pilot_uses(symbols)
        grid = arrival.channel_uses - symbols - pilots
        charge = packet_charge(packet, scheme, pilot_uses=pilots, grid_uses=grid)
        held = self._charges.get(charge.name)
        self._charges[charge.name] = held.under(charge.name, charge) if held else charge
        self._uses += arrival.channel_uses
        self._information_bits += 8 * len(packet)
        if self._header is None:
            self._header = _picture_header(packet)

    def _settled(self, arrivals: Iterable[Arrival]) -> list[Arrival]:
        settled = list(arrivals)
        for arrival in settled:
            self._last_arrival_s = max(self._last_arrival_s, arrival.arrival_s)
            if arrival.fate is Fate.DELIVERED:
                self._delivered_bits += 8 * arrival.packet_bytes
                self._reordered += arrival.index < self._latest_index
                self._latest_index = max(self._latest_index, arrival.index)
        return settled


def _picture_header(packet: bytes) -> PictureHeader | None:
    try:
        return Packet.unpack(packet).header
    except PacketError:
        return None
