"""Packets that are lost independently, and how many repair packets a sender makes for such a loss."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING

import numpy as np

from receiver.reception import Reception
from shared.bitstream import PICTURE_HEADER_BYTES
from shared.packets import DEFAULT_PACKET_BYTES, MIN_PACKET_BYTES, PACKET_OVERHEAD_BYTES
from shared.repair.packet import repair_packet_bytes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from shared.bitstream import Bitstream

MOST_PACKETS = 16


@dataclass(frozen=True, slots=True)
class Split:
    """Packets of one stream and their repair: ``source`` packets of ``packet_bytes`` each, and ``repair`` packets."""

    source: int
    repair: int
    packet_bytes: int

    @property
    def payload_bytes(self) -> int:
        """Bytes of the stream that the source packets hold."""
        return self.source * (self.packet_bytes - PACKET_OVERHEAD_BYTES) - PICTURE_HEADER_BYTES

    def delivery(self, loss: float) -> float:
        """Return the probability that at least as many packets arrive as there are source packets."""
        total = self.source + self.repair
        return sum(
            math.comb(total, lost) * loss**lost * (1 - loss) ** (total - lost) for lost in range(self.repair + 1)
        )


def largest_payload(wire_bytes: int) -> int:
    """Return the length of the largest stream whose packets of the default size take ``wire_bytes`` at most."""
    full, rest = divmod(wire_bytes, DEFAULT_PACKET_BYTES)
    room = full * (DEFAULT_PACKET_BYTES - PACKET_OVERHEAD_BYTES) + max(0, rest - PACKET_OVERHEAD_BYTES)
    return room - PICTURE_HEADER_BYTES


def list_splits(wire_bytes: int, least_payload_bytes: int) -> list[Split]:
    """Return every split whose packets take ``wire_bytes`` at most, of up to 16 packets of the default size at most.

    The stream has ``least_payload_bytes`` or more.
    """
    longer = repair_packet_bytes(0, streams=1)  # a repair packet is longer than those that it repairs
    splits = []
    for source, repair in product(range(1, MOST_PACKETS + 1), repeat=2):
        packet_bytes = min(DEFAULT_PACKET_BYTES, (wire_bytes - longer * repair) // (source + repair))
        split = Split(source, repair, packet_bytes)
        allowed = source + repair <= MOST_PACKETS and packet_bytes >= MIN_PACKET_BYTES
        if allowed and split.payload_bytes >= least_payload_bytes:
            splits.append(split)
    return splits


def choose_split(wire_bytes: int, loss: float, psnr_db: Sequence[tuple[int, float]], lost_psnr_db: float) -> Split:
    """Return the split with the greatest expected PSNR.

    ``psnr_db`` are (bytes of the stream, PSNR in dB) of the picture at rising budgets; values between them are
    interpolated over the logarithm of the bytes. ``lost_psnr_db`` is the PSNR of a picture that does not arrive.
    """
    sizes, values = zip(*psnr_db, strict=True)

    def expected(split: Split) -> float:
        whole = float(np.interp(math.log(split.payload_bytes), np.log(sizes), values))
        delivery = split.delivery(loss)
        return delivery * whole + (1 - delivery) * lost_psnr_db

    return max(list_splits(wire_bytes, sizes[0]), key=expected)


def draw_arrivals(seed: int, picture: int, packets: int, loss: float) -> NDArray[np.bool_]:
    """Return which of ``packets`` arrive, if each is lost with probability ``loss``.

    A greater loss loses the same packets and more, and the first packets of a longer row share their draws with those
    of a shorter one.
    """
    arrivals: NDArray[np.bool_] = np.random.default_rng((seed, picture)).random(packets) >= loss
    return arrivals


def receive(packets: Sequence[bytes], arrivals: Sequence[bool] | NDArray[np.bool_]) -> Bitstream | None:
    """Return the complete units of those ``packets`` that arrive, after repair; None if not even the size is known."""
    reception = Reception(0)
    for packet, arrives in zip(packets, arrivals, strict=True):
        if arrives:
            reception.push(packet)
    return reception.bitstream()
