"""Repair packets for a picture: each kind of stream at its own overhead."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shared.errors import ConfigError
from shared.repair.encoder import RepairEncoder, repair_count
from shared.repair.packet import kinds_of
from shared.streams import StreamKind

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


def repair_packets(packets: Sequence[bytes], overheads: Mapping[int, float], encoder: RepairEncoder) -> list[bytes]:
    """Return repair packets for the ``packets`` of one picture; kinds of equal overhead make one object.

    ``overheads`` are repair packets over packets by stream kind; kinds that are absent are not repaired. One object of
    many packets withstands more than several of few, at the same overhead.

    Raises:
        ConfigError: a kind that there is not, an overhead outside its range, or packets that cannot be repaired.
    """
    known = {int(kind) for kind in StreamKind}
    for kind in overheads:
        if kind not in known:
            raise ConfigError(f"repair of stream kind {kind}: kinds are {min(known)} to {max(known)}")
    repairs = []
    for overhead in sorted({*overheads.values()}, reverse=True):
        repaired = [packet for packet in packets if overheads.get(kinds_of(packet)[0]) == overhead]
        count = repair_count(len(repaired), overhead)
        repairs += encoder.repair_packets(repaired, count) if repaired else []
    return repairs
