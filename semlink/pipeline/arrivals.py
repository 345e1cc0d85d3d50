"""What the receiver has after each packet that arrives."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from receiver.reception import Reception

if TYPE_CHECKING:
    from collections.abc import Iterator

    from shared.bitstream import Bitstream


@dataclass(frozen=True, slots=True)
class Arrived:
    """What the receiver has after one more packet.

    Attributes:
        order: number of packets that have arrived, from 1.
        packet: place of the newest packet in the order of transmission, from 0.
        arrival_s: its arrival in simulated seconds after the first departure.
        bytes_received: bytes of all packets that have arrived, headers and repair packets included.
        units: the units that the newest packet completed, as in ``HCI 3 of 6``, or ``HCI`` for a stream of one unit.
        bitstream: all complete units; None while the picture's size is not known.
    """

    order: int
    packet: int
    arrival_s: float
    bytes_received: int
    units: tuple[str, ...]
    bitstream: Bitstream | None


class ArrivalLog:
    """Puts the packets of one picture together as they arrive, as the receiver does."""

    def __init__(self, picture_index: int = 0) -> None:
        self._reception = Reception(picture_index)
        self._bytes_received = 0
        self._known: frozenset[str] = frozenset()

    def push(self, packet: int, arrival_s: float, data: bytes) -> Arrived:
        """Take the bytes of a packet that arrived; return what the receiver has then."""
        self._reception.push(data)
        self._bytes_received += len(data)
        bitstream = self._reception.bitstream()
        complete = tuple(_name_units(bitstream)) if bitstream else ()
        new = tuple(unit for unit in complete if unit not in self._known)
        self._known = frozenset(complete)
        return Arrived(self._reception.received_packets, packet, arrival_s, self._bytes_received, new, bitstream)


def _name_units(bitstream: Bitstream) -> Iterator[str]:
    """Yield the name of each complete unit."""
    for stream in bitstream.streams:
        units = stream.units
        if len(units) == 1:
            yield stream.kind.name
        else:
            yield from (f"{stream.kind.name} {n} of {len(units)}" for n, unit in enumerate(units, start=1) if unit)
