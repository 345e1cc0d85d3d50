"""The loss of packets that a sender prepares for."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

from shared.errors import ConfigError
from shared.packets import DEFAULT_PACKET_BYTES, unit_room
from shared.repair.encoder import repair_count


@dataclass(frozen=True, slots=True)
class ExpectedLoss:
    """What a recipe with ``parts`` prepares for.

    ``packet_loss`` is the share of packets that are lost before repair, 0 to 1, ``packet_bytes`` their largest size in
    bytes, ``repair_overhead`` the number of repair packets per packet of the highly compressed image.

    Raises:
        ConfigError: the share is not 0 to 1, or the overhead not 0 to 10.
    """

    packet_loss: float = 0.0
    packet_bytes: int = DEFAULT_PACKET_BYTES
    repair_overhead: float = 0.0

    def __post_init__(self) -> None:
        if not 0 <= self.packet_loss <= 1:
            raise ConfigError(f"expected loss {self.packet_loss:g}: give 0 (no packet is lost) to 1 (all are)")
        repair_count(1, self.repair_overhead)

    def after_repair(self, max_bytes: int) -> float:
        """Return the share of packets that are still missing after repair, of a container of ``max_bytes``.

        Packets are taken to be lost independently, and all are repaired together: of K packets and r repair packets,
        a lost one stays lost if r or more of the K + r - 1 others are lost too.
        """
        packets = -(-max_bytes // unit_room(self.packet_bytes, 1))
        repair_packets = repair_count(packets, self.repair_overhead)
        return self.packet_loss * _at_least(repair_packets, packets + repair_packets - 1, self.packet_loss)


NO_LOSS: Final = ExpectedLoss()


def _at_least(count: int, trials: int, probability: float) -> float:
    """Return the probability of ``count`` or more successes in independent ``trials``."""
    if probability in {0.0, 1.0} or count == 0:
        return float(count == 0 or probability == 1)
    fewer = math.fsum(
        math.exp(
            math.lgamma(trials + 1)
            - math.lgamma(successes + 1)
            - math.lgamma(trials - successes + 1)
            + successes * math.log(probability)
            + (trials - successes) * math.log1p(-probability)
        )
        for successes in range(count)
    )
    return max(0.0, 1 - fewer)
