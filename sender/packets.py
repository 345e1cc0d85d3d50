"""Makes the packets of one picture: its streams in the codec's order, then repair packets."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sender.repair import repair_packets
from shared.errors import ConfigError
from shared.packets import DEFAULT_PACKET_BYTES, MIN_PACKET_BYTES, PICTURE_IDS, SEQUENCE_COUNTS, Packetiser
from shared.repair.encoder import RepairEncoder
from shared.sealed import SEAL_BYTES, seal_all
from shared.streams import StreamKind

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from shared.bitstream import Bitstream


@dataclass(frozen=True, slots=True)
class Packets:
    """Source and repair packets in the order of sending.

    The next picture starts with the CCSDS sequence counts ``next_counts``, by stream kind, and its repair packets with
    ``next_repair_count``.
    """

    source: tuple[bytes, ...]
    repair: tuple[bytes, ...] = ()
    next_counts: Mapping[StreamKind, int] = field(default_factory=dict)
    next_repair_count: int = 0

    @property
    def all(self) -> tuple[bytes, ...]:
        """All packets in order."""
        return self.source + self.repair


def make_packets(
    bitstream: Bitstream,
    *,
    packet_bytes: int = DEFAULT_PACKET_BYTES,
    picture_index: int = 0,
    order: Sequence[StreamKind] = (),
    repair_overheads: Mapping[int, float] | None = None,
    counts: Mapping[int, int] | None = None,
    repair_count: int = 0,
    sealed: bool = False,
) -> Packets:
    """Return the packets of ``bitstream``, of at most ``packet_bytes`` each, headers and CRC included.

    Streams are sent in ``order``; streams that it does not name come last. ``repair_overheads`` are repair packets over
    source packets by stream kind (RaptorQ, RFC 6330). ``counts`` and ``repair_count`` are the first sequence counts.
    ``sealed`` packets carry the identity of the transfer and a longer check (``shared.sealed``), within the same size.

    Raises:
        ConfigError: ``packet_bytes``, an overhead or a count is out of range.
    """
    Packetiser(packet_bytes)  # refuses a wrong size, named as the caller gave it
    if sealed and packet_bytes < MIN_PACKET_BYTES + SEAL_BYTES:
        raise ConfigError(f"sealed packets of {packet_bytes} bytes: give {MIN_PACKET_BYTES + SEAL_BYTES} or more")
    packetiser = Packetiser(packet_bytes - SEAL_BYTES if sealed else packet_bytes)
    repairing = RepairEncoder(repair_count % SEQUENCE_COUNTS)
    packetiser.next_count.update(_check_counts(counts or {}))
    source = packetiser.packetise(bitstream, picture_index % PICTURE_IDS, order)
    repair = repair_packets(source, repair_overheads or {}, repairing)
    if sealed:
        packets = seal_all([*source, *repair])
        source, repair = packets[: len(source)], packets[len(source) :]
    return Packets(tuple(source), tuple(repair), packetiser.next_count, repairing.next_count)


def _check_counts(counts: Mapping[int, int]) -> dict[StreamKind, int]:
    known = {int(kind) for kind in StreamKind}
    for kind, count in counts.items():
        if kind not in known or count >= SEQUENCE_COUNTS:
            raise ConfigError(
                f"sequence count {count} of stream kind {kind}: kinds are {min(known)} to {max(known)}, "
                f"counts 0 to {SEQUENCE_COUNTS - 1}"
            )
    return {StreamKind(kind): count for kind, count in counts.items()}
