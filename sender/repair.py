"""Repair packets for a picture: each kind of stream at its own overhead."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from shared.errors import ConfigError
from shared.repair.encoder import RepairEncoder, plan_repair
from shared.repair.packet import kinds_of
from shared.streams import StreamKind

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


def repair_packets(packets: Sequence[bytes], overheads: Mapping[int, float], encoder: RepairEncoder) -> list[bytes]:
    """Return repair packets for the ``packets`` of one picture, object by object (``plan_repair``).

    ``overheads`` are repair packets over packets by stream kind; kinds that are absent are not repaired.

    Raises:
        ConfigError: a kind that there is not, an overhead outside its range, or packets that cannot be repaired.
    """
    known = {int(kind) for kind in StreamKind}
    for kind in overheads:
        if kind not in known:
            raise ConfigError(f"repair of stream kind {kind}: kinds are {min(known)} to {max(known)}")
    repairs = []
    for kinds, count in plan_repair(Counter(kinds_of(packet)[0] for packet in packets), overheads):
        repairs += encoder.repair_packets([packet for packet in packets if kinds_of(packet)[0] in kinds], count)
    return repairs
