"""Floods of packets cost time in proportion to their number, and real packets among them are still repaired."""

from __future__ import annotations

import random
import time
from typing import TYPE_CHECKING

from spacepackets.ccsds.spacepacket import SequenceFlags

from receiver.reassembly import Reassembler
from receiver.reception import Reception
from shared.bitstream import Bitstream, PictureHeader
from shared.packets import MAX_SEGMENTS, SEQUENCE_COUNTS, Packet, Packetiser, UnitNumber
from shared.repair.decoder import MAX_DECODINGS
from shared.repair.encoder import RepairEncoder
from shared.repair.packet import MAX_SOURCE_PACKETS, ObjectHeader, RepairPacket, StreamRun
from shared.streams import MAX_UNITS, Stream, StreamKind

if TYPE_CHECKING:
    from collections.abc import Iterable

COUNT = 8000
HEADER = PictureHeader(64, 64)


def thread_seconds(packets: Iterable[bytes]) -> float:
    """CPU seconds that a reception takes for ``packets``."""
    reception, sent = Reception(0), list(packets)
    started_s = time.thread_time()
    for packet in sent:
        reception.push(packet)
    return time.thread_time() - started_s


def tiny_source_packets() -> list[bytes]:
    """Segments that no first segment precedes."""
    flags = SequenceFlags.CONTINUATION_SEGMENT
    return [Packet(StreamKind.HCI, 0, flags, count, None, b"x").pack() for count in range(COUNT)]


def bogus_repair_packets(first_counts: Iterable[int]) -> list[bytes]:
    """Each of an object of its own, of as many packets as there may be."""
    runs = [(StreamRun(StreamKind.HCI, first, MAX_SOURCE_PACKETS),) for first in first_counts]
    headers = [ObjectHeader(0, run, index.to_bytes(4, "big")) for index, run in enumerate(runs)]
    return [RepairPacket(header, index, 0, b"symbol!!").pack() for index, header in enumerate(headers)]


def test_16000_source_and_repair_packets_take_less_than_two_seconds():
    one_is_missing = COUNT - MAX_SOURCE_PACKETS + 1
    packets = tiny_source_packets() + bogus_repair_packets([one_is_missing] * COUNT)
    random.Random(0).shuffle(packets)
    assert thread_seconds(packets) < 2


def test_conflicts_and_units_in_great_number_take_less_than_two_seconds():
    units = [
        Packet(StreamKind.HCI, 0, SequenceFlags.UNSEGMENTED, index, HEADER, data, UnitNumber(index, MAX_UNITS)).pack()
        for data in (b"one", b"two")
        for index in range(MAX_UNITS)
    ]
    assert thread_seconds(units) < 2


def test_progress_names_a_stream_once_however_often_the_picture_begins_anew():
    reception = Reception(0)
    for width in range(64, 164):
        header = PictureHeader(width, 64)
        reception.push(Packet(StreamKind.HCI, 0, SequenceFlags.UNSEGMENTED, 0, header, b"x").pack())
    assert reception.complete == [StreamKind.HCI]


def test_a_picture_is_repaired_amid_a_flood_of_bogus_repair_packets():
    bitstream = Bitstream(HEADER, (Stream(StreamKind.HCI, bytes(range(250))),))
    source = Packetiser(64).packetise(bitstream, 0)
    repair = RepairEncoder().repair_packets(source, 3)
    bogus = bogus_repair_packets(range(MAX_DECODINGS * 4))
    reception = Reception(0)
    for packet in [*bogus, *source[2:], *repair[:2], *bogus, repair[2]]:
        reception.push(packet)
    assert reception.bitstream() == bitstream


def test_pieces_that_arrive_in_any_order_join_in_one_look_each():
    """The longest stream, every second segment first, completes with its last segment."""
    data = random.Random(1).randbytes(MAX_SEGMENTS - 1)
    last = MAX_SEGMENTS - 1
    flags = {0: SequenceFlags.FIRST_SEGMENT, last: SequenceFlags.LAST_SEGMENT}
    packets = [
        Packet(
            StreamKind.HCI,
            0,
            flags.get(place, SequenceFlags.CONTINUATION_SEGMENT),
            (place + SEQUENCE_COUNTS - 100) % SEQUENCE_COUNTS,
            None if place else HEADER,
            data[place : place + 1],
        ).pack()
        for place in range(MAX_SEGMENTS)
    ]
    reassembler = Reassembler()
    events = [reassembler.push(packet) for packet in packets[::2] + packets[:0:-2]]
    assert [event is not None for event in events] == [False] * (MAX_SEGMENTS - 1) + [True]
    received = reassembler.bitstream(0)
    assert received is not None
    assert received.streams[0].payload == data
