"""The packets of one picture over a link: arrivals in the order in which they are settled, and the totals."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from channel.link.accounting import Cost, CostBreakdown, add_costs, break_down_costs, packet_cost
from channel.link.delivery_queue import DeliveryQueue
from channel.link.outcome import PacketOutcome
from channel.phy.mcs import transport_block
from shared.errors import PacketError
from shared.packets import Packet
from shared.sealed import unsealed

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Sequence

    from channel.link.link import Arrival, Link
    from shared.bitstream import PictureHeader


@dataclass(frozen=True, slots=True)
class LinkReport:
    """Totals of the packets whose outcome is settled; ``packets`` is their number.

    ``outcomes`` counts packets by outcome. ``reordered`` packets arrived after a packet that was sent later (RFC 4737,
    section 3.3). ``information_bits`` are those of all packets before coding. ``spectral_efficiency`` is delivered
    information bits per channel use. ``last_arrival_s`` is when the last outcome was settled.
    """

    packets: int
    outcomes: Counter[PacketOutcome]
    reordered: int
    information_bits: int
    spectral_efficiency: float
    last_arrival_s: float
    cost: CostBreakdown


class Transmission:
    """Sends the packets of picture ``picture_index`` over ``link``. How they are split into calls changes nothing."""

    def __init__(self, link: Link, picture_index: int) -> None:
        self._link = link
        self._picture_index = picture_index
        self._queue: DeliveryQueue[Arrival] = DeliveryQueue()
        self._costs: dict[str, Cost] = {}
        self._uses = 0
        self._header: PictureHeader | None = None
        self._information_bits = 0
        self._delivered_bits = 0
        self._latest_index = -1
        self._reordered = 0
        self._last_arrival_s = 0.0

    @property
    def in_flight(self) -> int:
        """Number of packets whose outcome is not settled yet."""
        return self._queue.in_flight

    def carry(self, packets: Sequence[bytes]) -> list[Arrival]:
        """Send ``packets`` after those before; return, in order, the arrivals that no later packet can precede.

        Raises:
            ConfigError, PacketError: as ``Link.transmit``; then none of ``packets`` was sent.
        """
        arrivals = self._link.transmit(
            packets,
            picture_index=self._picture_index,
            first_index=self._queue.sent,
            uses_before=self._uses,
        )
        for packet, arrival in zip(packets, arrivals, strict=True):
            self._add_cost(packet, arrival)
        self._queue.send(arrivals)
        return self._settle_until(self._earliest_settled_s())

    def finish(self) -> list[Arrival]:
        """Return all arrivals that are still to come, in order."""
        return self._settle_until(math.inf)

    def report(self) -> LinkReport:
        """Return the totals so far."""
        config = self._link.config
        watts = config.transmit_power_w
        cost = break_down_costs(
            self._costs.values(),
            width=self._header.width if self._header else 0,
            height=self._header.height if self._header else 0,
            symbol_rate_hz=config.symbol_rate_hz,
            symbol_energy_j=1.0 if watts is None else watts / config.symbol_rate_hz,
            light_time_s=config.propagation_delay_s,
        )
        return LinkReport(
            packets=self._queue.outcomes.total(),
            outcomes=self._queue.outcomes,
            reordered=self._reordered,
            information_bits=self._information_bits,
            spectral_efficiency=self._delivered_bits / self._uses if self._uses else 0.0,
            last_arrival_s=self._last_arrival_s,
            cost=cost,
        )

    def _earliest_settled_s(self) -> float:
        """Return the earliest time at which a packet that is sent from now on can be settled."""
        config = self._link.config
        lifetime_s = math.inf if config.lifetime_s is None else config.lifetime_s
        return self._uses / config.symbol_rate_hz + min(config.propagation_delay_s, lifetime_s)

    def _add_cost(self, packet: bytes, arrival: Arrival) -> None:
        config = self._link.config
        scheme = config.scheme_of(packet)
        symbols = transport_block(len(packet), scheme).channel_uses
        pilots = config.propagation.pilot_uses(symbols)
        grid = arrival.channel_uses - symbols - pilots
        cost = packet_cost(packet, scheme, pilot_uses=pilots, grid_uses=grid)
        held = self._costs.get(cost.name)
        self._costs[cost.name] = add_costs(cost.name, (held, cost)) if held else cost
        self._uses += arrival.channel_uses
        self._information_bits += 8 * len(packet)
        if self._header is None:
            self._header = _read_picture_header(packet)

    def _settle_until(self, time_s: float) -> list[Arrival]:
        """Return the arrivals that are settled by ``time_s`` and add them to the totals."""
        settled = self._queue.advance(time_s)
        for arrival in settled:
            self._last_arrival_s = max(self._last_arrival_s, arrival.arrival_s)
            if arrival.outcome is PacketOutcome.DELIVERED:
                self._delivered_bits += 8 * arrival.packet_bytes
                self._reordered += arrival.index < self._latest_index
                self._latest_index = max(self._latest_index, arrival.index)
        return settled


def _read_picture_header(packet: bytes) -> PictureHeader | None:
    try:
        return Packet.unpack(unsealed(packet)).header
    except PacketError:
        return None
