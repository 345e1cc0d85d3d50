"""Packets agree with space-packet-parser, another implementation of CCSDS 133.0-B-2."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from space_packet_parser.generators.ccsds import ccsds_generator, create_ccsds_packet

from shared.bitstream import Bitstream, PictureHeader
from shared.packets import APID_BASE, Packet, Packetiser
from shared.repair.encoder import RepairEncoder
from shared.repair.packet import REPAIR_APID, RepairPacket
from shared.streams import Stream, StreamKind

pictures = st.dictionaries(st.sampled_from(list(StreamKind)), st.binary(max_size=400), min_size=1)


@settings(deadline=None, max_examples=60)
@given(pictures, st.integers(32, 200), st.integers(0, 255), st.integers(0, 4), st.integers(0, 16383))
def test_their_reader_reads_our_packets(payloads, packet_bytes, picture_id, repairs, next_count):
    streams = tuple(Stream(kind, payload) for kind, payload in sorted(payloads.items()))
    packetiser = Packetiser(packet_bytes)
    packetiser.next_count.update(dict.fromkeys(StreamKind, next_count))
    sent = packetiser.packetise(Bitstream(PictureHeader(640, 480), streams), picture_id)
    sent += RepairEncoder(next_count).repair_packets(sent, repairs)
    read = list(ccsds_generator(b"".join(sent)))
    assert [bytes(packet) for packet in read] == sent
    for packet in read:
        ours = RepairPacket.unpack(packet) if packet.apid == REPAIR_APID else Packet.unpack(packet)
        assert (packet.version_number, packet.type, packet.secondary_header_flag) == (0, 0, 0)
        assert packet.sequence_count == ours.sequence_count
        assert packet.data_length == len(packet) - 7
        if isinstance(ours, Packet):
            assert packet.apid == APID_BASE + ours.kind
            assert packet.sequence_flags == ours.sequence_flags
            assert packet.user_data[0] == ours.picture_id == picture_id


@settings(deadline=None, max_examples=30)
@given(pictures, st.integers(32, 200))
def test_their_writer_makes_the_same_bytes_and_we_read_them(payloads, packet_bytes):
    streams = tuple(Stream(kind, payload) for kind, payload in sorted(payloads.items()))
    for data in Packetiser(packet_bytes).packetise(Bitstream(PictureHeader(640, 480), streams), 1):
        ours = Packet.unpack(data)
        theirs = create_ccsds_packet(
            data[6:],
            apid=APID_BASE + ours.kind,
            sequence_flags=int(ours.sequence_flags),
            sequence_count=ours.sequence_count,
        )
        assert bytes(theirs) == data
        assert Packet.unpack(theirs) == ours


def test_their_reader_puts_segments_together_in_our_order():
    payload = bytes(range(256)) * 4
    sent = Packetiser(128).packetise(Bitstream(PictureHeader(640, 480), (Stream(StreamKind.HCI, payload),)), 9)
    (whole,) = ccsds_generator(b"".join(sent), combine_segmented_packets=True)
    assert whole.user_data == b"".join(packet[6:] for packet in sent)
