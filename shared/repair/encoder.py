"""The sender's side of repair: makes repair packets for the packets of a picture."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from shared.errors import ConfigError
from shared.packets import MAX_PACKET_BYTES, SEQUENCE_COUNTS, Packet
from shared.repair.packet import (
    CONTENT_BYTES,
    MAX_REPAIR_PACKETS,
    MAX_SOURCE_PACKETS,
    ObjectHeader,
    RepairPacket,
    StreamRun,
    repair_packet_bytes,
)
from shared.repair.symbols import object_digest, repair_symbols, source_symbols

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from shared.streams import StreamKind


MAX_OVERHEAD: Final = 10.0


def repair_count(source_packets: int, overhead: float) -> int:
    """Return the number of repair packets at this ratio of repair to source packets, rounded up.

    Raises:
        ConfigError: ``overhead`` is not a number from 0 to 10.
    """
    if not 0 <= overhead <= MAX_OVERHEAD:
        raise ConfigError(f"repair overhead {overhead}: give 0 to {MAX_OVERHEAD:g}; 0.25 is one per four packets")
    return math.ceil(round(source_packets * overhead, 9))  # 10 · 0.1 is one packet, not a rounding error more


def plan_repair(
    source_packets: Mapping[StreamKind, int], overheads: Mapping[int, float]
) -> list[tuple[tuple[StreamKind, ...], int]]:
    """Return the repaired objects of a picture: the stream kinds of each, and its number of repair packets.

    ``source_packets`` counts packets by stream kind, ``overheads`` are repair packets over source packets by stream
    kind. Streams with equal overheads form one object, because one large object survives more losses than several small
    ones. The object with the largest overhead is first.

    Raises:
        ConfigError: an overhead is outside its range.
    """
    objects = []
    for overhead in sorted({*overheads.values()}, reverse=True):
        kinds = tuple(kind for kind in source_packets if overheads.get(kind) == overhead)
        count = repair_count(sum(source_packets[kind] for kind in kinds), overhead)
        if kinds and count:
            objects.append((kinds, count))
    return objects


@dataclass(slots=True)
class RepairEncoder:
    """Makes repair packets. ``next_count`` is the next sequence count; it continues from picture to picture."""

    next_count: int = 0

    def repair_packets(self, packets: Sequence[bytes], count: int) -> list[bytes]:
        """Return ``count`` repair packets for ``packets``: all packets of one or more streams of one picture.

        Each call makes one object, so different streams may have different numbers of repair packets.

        Raises:
            PacketError: one of ``packets`` is not a stream packet of this link.
            ConfigError: the packets are not complete streams of one picture, or they are too many or too long.
        """
        if not 0 <= count <= MAX_REPAIR_PACKETS:
            raise ConfigError(f"{count} repair packets: give 0 to {MAX_REPAIR_PACKETS}")
        if count == 0:
            return []
        if not 1 <= len(packets) <= MAX_SOURCE_PACKETS:
            raise ConfigError(
                f"{len(packets)} packets to repair: one object has 1 to {MAX_SOURCE_PACKETS}; take larger packets"
            )
        by_kind = sorted(
            ((Packet.unpack(data), data[CONTENT_BYTES]) for data in packets), key=lambda pair: pair[0].kind
        )
        runs = _runs([packet for packet, _ in by_kind])
        _require_short_enough(max(len(data) for data in packets), len(runs))
        symbols = source_symbols([(content, packet.sequence_flags) for packet, content in by_kind])
        picture_id = by_kind[0][0].picture_id
        header = ObjectHeader(picture_id, runs, object_digest(picture_id, runs, symbols))
        return [
            RepairPacket(header, self._count(), index, symbol).pack()
            for index, symbol in enumerate(repair_symbols(symbols, count))
        ]

    def _count(self) -> int:
        count = self.next_count
        self.next_count = (count + 1) % SEQUENCE_COUNTS
        return count


def _require_short_enough(longest: int, streams: int) -> None:
    length = repair_packet_bytes(longest, streams)
    if length > MAX_PACKET_BYTES:
        raise ConfigError(
            f"repair packets of {length} bytes for packets of {longest}; a packet has at most {MAX_PACKET_BYTES}: make "
            f"the picture's packets {length - MAX_PACKET_BYTES} bytes shorter"
        )


def _runs(packets: Sequence[Packet]) -> tuple[StreamRun, ...]:
    """Return the streams of ``packets``, which are sorted by kind, each in its order."""
    runs: list[StreamRun] = []
    for position, packet in enumerate(packets):
        opens = position == 0 or packets[position - 1].kind != packet.kind
        closes = position + 1 == len(packets) or packets[position + 1].kind != packet.kind
        previous = packets[position - 1]
        follows = opens or packet.sequence_count == (previous.sequence_count + 1) % SEQUENCE_COUNTS
        # A unit starts with the stream or after the end of another one.
        starts = opens or previous.is_last
        ends = not closes or packet.is_last
        if packet.picture_id != packets[0].picture_id or not follows or packet.is_first != starts or not ends:
            raise ConfigError(
                f"the packets of stream {packet.kind.name} do not make one complete stream of one picture: "
                "give all packets that the packetiser returned"
            )
        if opens:
            runs.append(StreamRun(packet.kind, packet.sequence_count, 1))
        else:
            runs[-1] = StreamRun(packet.kind, runs[-1].first_count, runs[-1].packets + 1)
    return tuple(runs)
