"""Reassembly: streams are complete exactly if every packet arrived, content is never wrong, memory is bounded."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from spacepackets.ccsds.spacepacket import SequenceFlags

from receiver.reassembly import Reassembler
from shared.bitstream import Bitstream, PictureHeader
from shared.errors import ConfigError
from shared.packets import MAX_SEGMENTS, SEQUENCE_COUNTS, Packet, Packetiser
from shared.streams import Stream, StreamKind

HEADER = PictureHeader(768, 512)


@st.composite
def bitstreams(draw: st.DrawFn) -> Bitstream:
    header = PictureHeader(draw(st.integers(64, 8192)), draw(st.integers(64, 8192)), draw(st.booleans()))
    kinds = sorted(draw(st.sets(st.sampled_from(list(StreamKind)), min_size=1)))
    units = st.lists(st.binary(min_size=1, max_size=80), min_size=2, max_size=20).map(tuple)
    one_unit = st.tuples(st.binary(max_size=200))
    return Bitstream(header, tuple(Stream.of_units(kind, draw(one_unit | units)) for kind in kinds))


@st.composite
def packetisers(draw: st.DrawFn) -> Packetiser:
    """Sequence counts with any start, often just before they wrap."""
    packetiser = Packetiser(draw(st.integers(32, 64)))
    start = st.integers(SEQUENCE_COUNTS - 10, SEQUENCE_COUNTS - 1) | st.integers(0, SEQUENCE_COUNTS - 1)
    for kind in StreamKind:
        packetiser.next_count[kind] = draw(start)
    return packetiser


def damage_packet(packet: bytes, position: int, change: int) -> bytes:
    out = bytearray(packet)
    out[position % len(out)] ^= change
    return bytes(out)


def hci(n_bytes: int, fill: int = 7, header: PictureHeader = HEADER) -> Bitstream:
    return Bitstream(header, (Stream(StreamKind.HCI, bytes([fill]) * n_bytes),))


def _without_lost_units(bitstream: Bitstream, sent: list[bytes], lost: set[bytes]) -> Bitstream:
    """Return what is left of ``bitstream`` when the packets ``lost`` are."""
    broken, first = set(), None
    for data in sent:
        packet = Packet.unpack(data)
        first = packet if packet.is_first else first
        assert first is not None
        if data in lost:
            broken.add((packet.kind, first.unit.index))
    left = [
        (stream.kind, [b"" if (stream.kind, place) in broken else unit for place, unit in enumerate(stream.units)])
        for stream in bitstream.streams
    ]
    whole_or_part = [
        (kind, units) for kind, units in left if any(units) or not any(place == kind for place, _ in broken)
    ]
    return Bitstream(bitstream.header, tuple(Stream.of_units(kind, units) for kind, units in whole_or_part))


@given(bitstreams(), packetisers(), st.integers(0, 255), st.data())
@settings(deadline=None, max_examples=200)
def test_a_unit_is_complete_exactly_if_all_its_packets_arrived(
    bitstream: Bitstream, packetiser: Packetiser, picture_id: int, data: st.DataObject
) -> None:
    sent = packetiser.packetise(bitstream, picture_id)
    lost = data.draw(st.sets(st.sampled_from(sent), max_size=3))
    arrived = [packet for packet in sent if packet not in lost]
    arrived += data.draw(st.lists(st.sampled_from(arrived), max_size=5)) if arrived else []
    arrived += [damage_packet(packet, 9, 1) for packet in lost]
    reassembler = Reassembler()
    events = [reassembler.push(packet) for packet in data.draw(st.permutations(arrived))]

    expected = _without_lost_units(bitstream, sent, lost)
    completed = [event for event in events if event is not None]
    assert {event.kind for event in completed} == {stream.kind for stream in expected.streams}
    assert all((event.picture_id, event.header) == (picture_id, bitstream.header) for event in completed)
    whole = {event.kind for event in completed if event.whole}
    assert whole == {stream.kind for stream in expected.streams if stream in bitstream.streams}

    counts = reassembler.counts
    assert (counts.accepted, counts.damaged) == (len(sent) - len(lost), len(lost))
    assert counts.accepted + counts.duplicate + counts.damaged == len(arrived)
    _check_status(reassembler, picture_id, {Packet.unpack(p) for p in sent} - {Packet.unpack(p) for p in lost}, sent)
    received = reassembler.bitstream(picture_id)
    if expected.streams:
        assert received == expected
    if not lost:
        assert received is not None
        assert received.pack() == bitstream.pack()


def _check_status(reassembler: Reassembler, picture_id: int, arrived: set[Packet], sent: list[bytes]) -> None:
    status = reassembler.status(picture_id)
    if not arrived:
        assert status is None
        return
    assert status is not None
    assert (status.header is not None) == any(packet.is_first for packet in arrived)
    assert [stream.kind for stream in status.streams] == sorted({packet.kind for packet in arrived})
    for stream in status.streams:
        n_sent = sum(Packet.unpack(packet).kind == stream.kind for packet in sent)
        n_arrived = sum(packet.kind == stream.kind for packet in arrived)
        assert stream.received == n_arrived
        assert stream.missing <= n_sent - n_arrived
        assert stream.total in (None, n_sent)
        assert stream.total is None or stream.missing == n_sent - n_arrived
        assert stream.complete == (n_sent == n_arrived)
        assert not stream.conflict


@dataclass
class _Sent:
    bitstream: Bitstream
    packets: list[bytes]
    arrived: set[bytes]


class InterleavedPictures(RuleBasedStateMachine):
    """A sender numbers its pictures in order; packets of the last eight arrive in any order, or are lost."""

    WINDOW = 16
    IN_FLIGHT = 8

    @initialize(packetiser=packetisers(), first_id=st.integers(0, 255))
    def start(self, packetiser: Packetiser, first_id: int) -> None:
        self.packetiser = packetiser
        self.reassembler = Reassembler(max_pictures=self.WINDOW)
        self.next_id = first_id
        self.sent: dict[int, _Sent] = {}  # by picture id, oldest first
        self.pushed = 0

    @rule(bitstream=bitstreams())
    def send(self, bitstream: Bitstream) -> None:
        packets = self.packetiser.packetise(bitstream, self.next_id)
        self.sent[self.next_id] = _Sent(bitstream, packets, set())
        if len(self.sent) > self.IN_FLIGHT:
            self.sent.pop(next(iter(self.sent)))
        self.next_id = (self.next_id + 1) % 256

    @rule(data=st.data(), damage=st.booleans())
    def deliver_some(self, data: st.DataObject, damage: bool) -> None:
        if not self.sent:
            return
        sent = self.sent[data.draw(st.sampled_from(list(self.sent)))]
        for packet in data.draw(st.lists(st.sampled_from(sent.packets), max_size=4)):
            self._push(sent, packet)
            if damage:
                assert self.reassembler.push(damage_packet(packet, data.draw(st.integers(0, 63)), 0x55)) is None
                self.pushed += 1

    @rule(data=st.data())
    def deliver_the_rest(self, data: st.DataObject) -> None:
        if not self.sent:
            return
        picture_id = data.draw(st.sampled_from(list(self.sent)))
        sent = self.sent[picture_id]
        for packet in data.draw(st.permutations(sent.packets)):
            self._push(sent, packet)
        received = self.reassembler.bitstream(picture_id)
        assert received is not None
        assert received.pack() == sent.bitstream.pack()

    def _push(self, sent: _Sent, packet: bytes) -> None:
        event = self.reassembler.push(packet)
        self.pushed += 1
        new = packet not in sent.arrived
        sent.arrived.add(packet)
        kind = Packet.unpack(packet).kind
        complete = all(p in sent.arrived for p in sent.packets if Packet.unpack(p).kind == kind)
        assert (event is not None and event.whole) == (new and complete)
        if event is not None and event.whole:
            received = self.reassembler.bitstream(event.picture_id)
            assert received is not None
            assert received.stream(event.kind) == sent.bitstream.stream(kind)

    @invariant()
    def complete_streams_equal_the_sent_ones(self) -> None:
        for picture_id, sent in getattr(self, "sent", {}).items():
            received = self.reassembler.bitstream(picture_id)
            if received is not None:
                assert received.header == sent.bitstream.header
                for stream in received.streams:
                    original = sent.bitstream.stream(stream.kind)
                    assert original is not None
                    assert all(unit in (b"", own) for unit, own in zip(stream.units, original.units, strict=True))

    @invariant()
    def every_packet_is_counted_once(self) -> None:
        if hasattr(self, "reassembler"):
            counts = self.reassembler.counts
            assert counts.accepted + counts.duplicate + counts.damaged + counts.conflicting == self.pushed
            assert counts.conflicting == 0


TestInterleavedPictures = InterleavedPictures.TestCase
TestInterleavedPictures.settings = settings(deadline=None, max_examples=100, stateful_step_count=30)


@given(st.lists(st.binary(max_size=80), max_size=20))
@settings(deadline=None)
def test_any_bytes_may_be_pushed(garbage: list[bytes]) -> None:
    reassembler = Reassembler()
    for data in garbage:
        assert reassembler.push(data) is None
    assert reassembler.counts.damaged == len(garbage)


@given(
    st.lists(
        st.builds(
            lambda kind, picture_id, flags, count, fill: Packet(
                kind, picture_id, flags, count, HEADER if flags & 1 else None, bytes([fill])
            ),
            st.sampled_from([StreamKind.HCI, StreamKind.CAPTION]),
            st.integers(0, 1),
            st.sampled_from(list(SequenceFlags)),
            st.integers(0, 6) | st.integers(0, SEQUENCE_COUNTS - 1),
            st.integers(0, 1),
        ),
        max_size=30,
    )
)
@settings(deadline=None, max_examples=300)
def test_packets_that_contradict_each_other_never_give_a_stream_with_holes(packets: list[Packet]) -> None:
    reassembler = Reassembler()
    for packet in packets:
        event = reassembler.push(packet.pack())
        received = None if event is None else reassembler.bitstream(event.picture_id)
        stream = None if event is None or received is None else received.stream(event.kind)
        if event is not None and stream is not None:
            # Some run of consecutive counts, first to last, with exactly this content, was pushed for this picture.
            pushed = {(p.picture_id, p.kind, p.sequence_count, p.data) for p in packets}
            length, key = len(stream.payload), (event.picture_id, event.kind)
            ends = [p.sequence_count for p in packets if p.is_last and (p.picture_id, p.kind) == key]
            places = [[(end - length + 1 + i) % SEQUENCE_COUNTS for i in range(length)] for end in ends]
            assert any(
                all((*key, c, bytes([b])) in pushed for c, b in zip(run, stream.payload, strict=True)) for run in places
            )
    counts = reassembler.counts
    assert counts.accepted + counts.duplicate + counts.conflicting == len(packets)


def test_two_contents_at_one_place_put_the_stream_in_conflict_for_all_later_packets() -> None:
    sent = [Packet.unpack(packet) for packet in Packetiser(32).packetise(hci(60), 9)]
    reassembler = Reassembler()
    forged = replace(sent[1], data=b"x" * len(sent[1].data))
    for packet in [sent[0], sent[1], forged, sent[2], sent[1]]:
        assert reassembler.push(packet.pack()) is None
    assert reassembler.bitstream(9) == Bitstream(HEADER, ())
    status = reassembler.status(9)
    assert status is not None
    assert status.streams[0].conflict
    assert not status.streams[0].complete
    assert reassembler.counts.conflicting == 1


def test_a_reused_picture_id_replaces_the_old_picture() -> None:
    packetiser = Packetiser(32)
    old, new = hci(60, fill=1), hci(60, fill=2)
    reassembler = Reassembler()
    for packet in packetiser.packetise(old, 5)[:2]:
        reassembler.push(packet)
    for picture_id in range(6, 6 + 255):  # all lost
        packetiser.packetise(hci(60), picture_id % 256)
    for packet in packetiser.packetise(new, 5):
        reassembler.push(packet)
    assert reassembler.bitstream(5) == new
    assert reassembler.counts.evicted == 1
    assert reassembler.counts.conflicting == 0


def test_another_picture_size_replaces_the_old_picture() -> None:
    reassembler = Reassembler()
    packetiser = Packetiser()
    caption = Bitstream(PictureHeader(100, 100), (Stream(StreamKind.CAPTION, b"new"),))
    for bitstream in [hci(10), caption]:
        for packet in packetiser.packetise(bitstream, 5):
            reassembler.push(packet)
    assert reassembler.bitstream(5) == caption


def test_a_thousand_pictures_with_reused_ids_and_counts() -> None:
    packetiser = Packetiser(32)
    reassembler = Reassembler(max_pictures=4)
    for number in range(1000):
        bitstream = hci(400, fill=number % 256)  # 18 packets: the count passes 16384 once
        for packet in packetiser.packetise(bitstream, number % 256):
            reassembler.push(packet)
        assert reassembler.bitstream(number % 256) == bitstream
    assert len(reassembler.picture_ids) == 4
    assert reassembler.counts.evicted == 996


def test_the_picture_with_the_oldest_packet_is_dropped_first() -> None:
    packetiser = Packetiser(32)
    reassembler = Reassembler(max_pictures=2)
    one, two, three = (packetiser.packetise(hci(60), picture_id) for picture_id in (1, 2, 3))
    for packet in [one[0], two[0], one[1], three[0]]:
        reassembler.push(packet)
    assert reassembler.picture_ids == (1, 3)
    assert reassembler.status(2) is None
    assert reassembler.bitstream(2) is None


def test_memory_is_bounded() -> None:
    packetiser = Packetiser(32)
    reassembler = Reassembler(max_bytes=20_000)
    for picture_id in range(20):
        for packet in packetiser.packetise(hci(1500), picture_id)[:-1]:
            reassembler.push(packet)
            assert reassembler.held_bytes <= 20_000
    assert reassembler.counts.evicted > 0


def test_the_longest_stream_is_complete_in_any_order() -> None:
    bitstream = hci(MAX_SEGMENTS * 23 - 4)
    packets = Packetiser(32).packetise(bitstream, 0)
    for order in (packets, packets[::-1]):
        reassembler = Reassembler()
        events = [reassembler.push(packet) for packet in order]
        assert all(event is None for event in events[:-1])
        assert reassembler.bitstream(0) == bitstream


def test_segments_too_far_apart_for_one_stream_belong_to_two_pictures() -> None:
    first = Packet(StreamKind.HCI, 0, SequenceFlags.FIRST_SEGMENT, 100, HEADER, b"a")
    for distance, evicted in [(MAX_SEGMENTS - 1, 0), (MAX_SEGMENTS, 1)]:
        last = Packet(StreamKind.HCI, 0, SequenceFlags.LAST_SEGMENT, 100 + distance, None, b"z")
        for order in ([first, last], [last, first]):
            reassembler = Reassembler()
            for packet in order:
                reassembler.push(packet.pack())
            assert reassembler.counts.evicted == evicted


def test_missing_packets_are_counted_from_the_gaps() -> None:
    packets = Packetiser(32).packetise(hci(19 + 23 * 8 + 5), 0)
    reassembler = Reassembler()
    for index in (2, 4, 5):
        reassembler.push(packets[index])
    status = reassembler.status(0)
    assert status is not None
    assert status.header is None
    assert (status.streams[0].received, status.streams[0].missing, status.streams[0].total) == (3, 1, None)
    for index in (0, 9):
        reassembler.push(packets[index])
    status = reassembler.status(0)
    assert status is not None
    assert status.header == HEADER
    assert (status.streams[0].received, status.streams[0].missing, status.streams[0].total) == (5, 5, 10)
    assert reassembler.bitstream(0) == Bitstream(HEADER, ())


@pytest.mark.parametrize("max_pictures", [0, 129])
def test_window_outside_the_range_is_refused(max_pictures: int) -> None:
    with pytest.raises(ConfigError, match="give 1 to 128"):
        Reassembler(max_pictures=max_pictures)


def test_a_memory_limit_of_zero_is_refused() -> None:
    with pytest.raises(ConfigError, match="at least 1"):
        Reassembler(max_bytes=0)
