"""What can happen to a packet on the link."""

from __future__ import annotations

from enum import IntEnum


class PacketOutcome(IntEnum):
    """How a packet's transmission ended; a packet without an outcome is still in flight.

    ``FEC_FAILED``: the channel code could not correct it, its CRC-24A fails. ``ERASED``: nothing reached the demapper,
    because of an independent erasure, a burst or an outage. ``EXPIRED``: it was still under way at its deadline
    (``channel.link.deadline``). The numbers are those of the wire contract, where the enum is called ``Fate``.
    """

    DELIVERED = 1
    FEC_FAILED = 2
    ERASED = 3
    EXPIRED = 4
