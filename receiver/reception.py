"""The packets of one picture as they arrive: repaired, then put together into streams."""

from __future__ import annotations

from typing import TYPE_CHECKING

from receiver.reassembly import Reassembler
from shared.packets import PICTURE_IDS
from shared.repair.decoder import RepairDecoder

if TYPE_CHECKING:
    from receiver.reassembly import PictureStatus
    from shared.bitstream import Bitstream
    from shared.repair.decoder import RepairStatus
    from shared.streams import StreamKind


class Reception:
    """Collects what arrives of the picture with index ``picture_index``."""

    def __init__(self, picture_index: int) -> None:
        self._picture_id = picture_index % PICTURE_IDS
        self._repair = RepairDecoder()
        self._reassembler = Reassembler()
        self.received_packets = 0
        self._complete: dict[StreamKind, None] = {}  # in the order of completion

    def push(self, packet: bytes) -> bool:
        """Take one received packet; return whether it completed a unit of a stream.

        Any bytes may be pushed: what is not a packet of this link is counted as rejected.
        """
        self.received_packets += 1
        events = [event for one in self._repair.push(packet) if (event := self._reassembler.push(one)) is not None]
        self._complete |= dict.fromkeys(event.kind for event in events if event.whole)
        return bool(events)

    @property
    def complete(self) -> list[StreamKind]:
        """The streams that are complete, each once, in the order in which they became so."""
        return list(self._complete)

    @property
    def rejected_packets(self) -> int:
        """Number of packets that are damaged or not of this link."""
        return self._reassembler.counts.damaged

    def bitstream(self) -> Bitstream | None:
        """Return the complete units of all streams, None while not even the picture's size is known."""
        return self._reassembler.bitstream(self._picture_id)

    def status(self) -> PictureStatus | None:
        """Return how much of each stream has arrived, None while no packet has."""
        return self._reassembler.status(self._picture_id)

    def repairs(self) -> tuple[RepairStatus, ...]:
        """Return the state of each repaired object."""
        return tuple(self._repair.statuses(self._picture_id))
