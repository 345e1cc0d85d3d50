"""The packets of one picture as they arrive: sorted by transfer, repaired, then joined into streams."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from receiver.reassembly import Reassembler
from shared.errors import PacketError
from shared.packets import PICTURE_IDS, PRIMARY_HEADER_BYTES, Packet
from shared.repair.decoder import RepairDecoder
from shared.repair.packet import is_repair
from shared.sealed import is_sealed, unseal

if TYPE_CHECKING:
    from receiver.reassembly import PictureStatus, StreamEvent
    from shared.bitstream import Bitstream
    from shared.repair.decoder import RepairStatus
    from shared.streams import StreamKind

MAX_TRANSFERS: Final = 4
"""Most transfers of packets with one picture id that are kept separately. A further one replaces the smallest."""


class Reception:
    """Collects what arrives of the picture with index ``picture_index``.

    Packets of other pictures are rejected. Sealed packets are sorted by the identity of their transfer, others only
    where they contradict each other. The result is that of one transfer, the one with the most packets.
    """

    def __init__(self, picture_index: int) -> None:
        self._picture_id = picture_index % PICTURE_IDS
        self._transfers: dict[tuple[bytes, int], _Transfer] = {}
        self._rejected = 0
        self.received_packets = 0

    def push(self, packet: bytes) -> bool:
        """Take one received packet; return whether it completed a unit of a stream.

        Any bytes may be pushed: what is not a packet of this picture is counted as rejected.
        """
        self.received_packets += 1
        try:
            identity, inner = unseal(packet) if is_sealed(packet) else (b"", packet)
        except PacketError:
            self._rejected += 1
            return False
        if inner[PRIMARY_HEADER_BYTES : PRIMARY_HEADER_BYTES + 1] != bytes([self._picture_id]):
            self._rejected += 1
            return False
        for rival in range(MAX_TRANSFERS):
            completed = self._transfer(identity, rival).push(inner)
            if completed is not None:
                return completed
        self._rejected += 1
        return False

    @property
    def complete(self) -> list[StreamKind]:
        """The streams that are complete, each once, in the order in which they became so."""
        best = self._best()
        return list(best.complete) if best is not None else []

    @property
    def rejected_packets(self) -> int:
        """Number of packets that are damaged, not of this link, or of another picture."""
        return self._rejected + sum(one.reassembler.counts.damaged for one in self._transfers.values())

    def bitstream(self) -> Bitstream | None:
        """Return the complete units of all streams, None while not even the picture's size is known."""
        best = self._best()
        return best.reassembler.bitstream(self._picture_id) if best is not None else None

    def status(self) -> PictureStatus | None:
        """Return how much of each stream has arrived, None while no packet has."""
        best = self._best()
        return best.reassembler.status(self._picture_id) if best is not None else None

    def repairs(self) -> tuple[RepairStatus, ...]:
        """Return the state of each repaired object."""
        best = self._best()
        return best.repair.statuses(self._picture_id) if best is not None else ()

    def _transfer(self, identity: bytes, rival: int) -> _Transfer:
        """Return the transfer, a new one in place of the smallest of too many."""
        key = identity, rival
        if key not in self._transfers:
            if len(self._transfers) >= MAX_TRANSFERS:
                smallest = min(self._transfers, key=lambda one: self._transfers[one].packets)
                self._rejected += self._transfers.pop(smallest).reassembler.counts.damaged
            self._transfers[key] = _Transfer()
        return self._transfers[key]

    def _best(self) -> _Transfer | None:
        return max(self._transfers.values(), key=lambda one: one.packets, default=None)


class _Transfer:
    """The packets of one transfer."""

    def __init__(self) -> None:
        self.repair = RepairDecoder()
        self.reassembler = Reassembler(replace=False)
        self.complete: dict[StreamKind, None] = {}  # in the order of completion
        self._repair_packets = 0

    @property
    def packets(self) -> int:
        """Number of packets that fit together."""
        return self.reassembler.counts.accepted + self._repair_packets

    def push(self, packet: bytes) -> bool | None:
        """Take a packet; return whether it completed a unit, None if it contradicts those before."""
        if is_repair(packet):
            recovered = self.repair.push(packet)
            self._repair_packets += packet not in recovered
            return self._put_together(recovered)
        try:
            read = Packet.unpack(packet)
        except PacketError:
            return self._put_together([packet])  # counts it as damaged
        contradicting = self.reassembler.counts.contradicting
        completed = self._note(self.reassembler.take(read))
        if self.reassembler.counts.contradicting > contradicting:
            return None
        recovered = [one for one in self.repair.take_source(packet, read) if one is not packet]
        return self._put_together(recovered) or completed

    def _put_together(self, packets: list[bytes]) -> bool:
        return self._note(*map(self.reassembler.push, packets))

    def _note(self, *found: StreamEvent | None) -> bool:
        """Note the streams that are complete now; return whether a unit is."""
        events = [event for event in found if event is not None]
        self.complete |= dict.fromkeys(event.kind for event in events if event.whole)
        return bool(events)
