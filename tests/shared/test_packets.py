"""Space Packets: spacepackets reads them, any bytes parse or raise, golden files pin the bytes."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from fastcrc import crc16
from hypothesis import given, settings
from hypothesis import strategies as st
from spacepackets.ccsds.spacepacket import PacketType, SequenceFlags, SpacePacketHeader

from shared.bitstream import Bitstream, PictureHeader
from shared.errors import ConfigError, PacketError
from shared.packets import MAX_PACKET_BYTES, MAX_SEGMENTS, SEQUENCE_COUNTS, Packet, Packetiser, unit_room
from shared.streams import Stream, StreamKind

GOLDEN = Path(__file__).parent / "golden"
DOCS = Path(__file__).parents[2] / "docs" / "bitstream.md"
HEADER = PictureHeader(768, 512)


def one_stream(n_bytes: int, kind: StreamKind = StreamKind.HCI) -> Bitstream:
    return Bitstream(HEADER, (Stream(kind, bytes(index % 251 for index in range(n_bytes))),))


def with_crc(body: bytes) -> bytes:
    return body + crc16.ibm_3740(body).to_bytes(2, "big")


@given(st.binary(max_size=3000), st.integers(32, 1024), st.integers(0, 255), st.sampled_from(list(StreamKind)))
@settings(deadline=None)
def test_spacepackets_itself_reads_every_packet(
    payload: bytes, packet_bytes: int, picture_id: int, kind: StreamKind
) -> None:
    packets = Packetiser(packet_bytes).packetise(Bitstream(HEADER, (Stream(kind, payload),)), picture_id)
    read = b""
    for count, packet in enumerate(packets):
        primary = SpacePacketHeader.unpack(packet)
        assert primary.ccsds_version == 0
        assert primary.packet_type == PacketType.TM
        assert not primary.sec_header_flag
        assert primary.apid == 0x40 + kind
        assert primary.seq_count == count
        assert primary.packet_len == len(packet) <= packet_bytes
        assert packet[6] == picture_id
        assert crc16.ibm_3740(packet) == 0  # a packet followed by its CRC leaves no remainder
        first = count == 0
        last = count == len(packets) - 1
        assert primary.seq_flags == (0b01 if first else 0) | (0b10 if last else 0)
        assert not first or packet[7:11] == HEADER.pack()
        read += packet[11 if first else 7 : -2]
    assert read == payload
    assert sum(map(len, packets)) == len(payload) + 4 + 9 * len(packets)


@given(
    st.builds(
        Packet,
        st.sampled_from(list(StreamKind)),
        st.integers(0, 255),
        st.sampled_from([SequenceFlags.CONTINUATION_SEGMENT, SequenceFlags.LAST_SEGMENT]),
        st.integers(0, SEQUENCE_COUNTS - 1),
        st.none(),
        st.binary(max_size=MAX_PACKET_BYTES - 9),
    )
    | st.builds(
        Packet,
        st.sampled_from(list(StreamKind)),
        st.integers(0, 255),
        st.sampled_from([SequenceFlags.FIRST_SEGMENT, SequenceFlags.UNSEGMENTED]),
        st.integers(0, SEQUENCE_COUNTS - 1),
        st.builds(PictureHeader, st.integers(64, 8192), st.integers(64, 8192), st.booleans()),
        st.binary(max_size=MAX_PACKET_BYTES - 13),
    )
)
@settings(deadline=None)
def test_unpack_inverts_pack(packet: Packet) -> None:
    assert Packet.unpack(packet.pack()) == packet


@given(st.binary(max_size=1100))
@settings(deadline=None, max_examples=500)
def test_any_bytes_give_a_packet_or_a_typed_error(data: bytes) -> None:
    _unpack_or_typed_error(data)


@given(st.integers(0x3F, 0x46) | st.integers(0, 0xFFFF), st.integers(0, 0xFFFF), st.binary(min_size=1, max_size=40))
@settings(deadline=None, max_examples=1000)
def test_any_fields_with_a_right_length_and_crc_give_a_packet_or_a_typed_error(
    identification: int, sequence: int, data_field: bytes
) -> None:
    primary = b"".join(word.to_bytes(2, "big") for word in (identification, sequence, len(data_field) + 1))
    _unpack_or_typed_error(with_crc(primary + data_field))


def _unpack_or_typed_error(data: bytes) -> None:
    try:
        packet = Packet.unpack(data)
    except PacketError:
        return
    assert packet.pack() == data


def test_every_change_of_every_byte_is_refused() -> None:
    (packet,) = Packetiser().packetise(one_stream(20), 3)
    for position in range(len(packet)):
        for change in range(1, 256):
            damaged = bytearray(packet)
            damaged[position] ^= change
            with pytest.raises(PacketError):
                Packet.unpack(bytes(damaged))


def test_every_truncation_and_every_run_of_zeros_appended_is_refused() -> None:
    (packet,) = Packetiser().packetise(one_stream(20), 3)
    for length in range(len(packet)):
        with pytest.raises(PacketError):
            Packet.unpack(packet[:length])
    for zeros in range(1, 40):
        with pytest.raises(PacketError):
            Packet.unpack(packet + bytes(zeros))


@pytest.mark.parametrize(
    ("primary_and_field", "message"),
    [
        ("2041 c000 000d 00 205fe1ff 0102030405 0607", "version number 0"),
        ("1041 c000 0006 00 205fe1ff", "telemetry"),
        ("0841 c000 0006 00 205fe1ff", "secondary header"),
        ("0040 c000 0006 00 205fe1ff", "APID 0x040 carries no stream"),
        ("07ff c000 0006 00 205fe1ff", "APID 0x7ff carries no stream"),
        ("0041 c000 0005 00 205fe1", "without a picture header"),
        ("0041 c000 0006 00 605fe1ff", "version 3"),
        ("0041 c000 0006 00 285fe1ff", "reserved"),
        ("0041 c000 0006 00 405fe1ff", "unit number none"),
        ("0041 c000 0007 00 405fe1ff 00", "unit number 00"),
        ("0041 c000 0007 00 405fe1ff 21", "unit number 21"),
        ("0041 c000 0007 00 485fe1ff 01", "unit number 01"),
        ("0041 c000 0009 00 485fe1ff 00000f", "unit number 00000f"),
        ("0041 c000 0007 00 205fe1ff", "header gives 14 bytes, but it has 13"),
    ],
)
def test_a_packet_that_pack_never_writes_is_refused(primary_and_field: str, message: str) -> None:
    with pytest.raises(PacketError, match=message):
        Packet.unpack(with_crc(bytes.fromhex(primary_and_field)))


@pytest.mark.parametrize("name", ["one-stream", "two-streams", "all-kinds-grey", "no-stream", "units", "many-units"])
def test_golden_packets_keep_their_bytes(name: str) -> None:
    bitstream = Bitstream.unpack((GOLDEN / f"{name}.sem").read_bytes())
    expected = json.loads((GOLDEN / f"{name}.json").read_text())["packets_of_32_bytes_picture_7"]
    assert [packet.hex() for packet in Packetiser(32).packetise(bitstream, 7)] == expected
    assert [Packet.unpack(bytes.fromhex(packet)).pack().hex() for packet in expected] == expected


def test_the_docs_show_the_golden_packets() -> None:
    rows = re.findall(r"^\| `([0-9a-f ]+)` \|", DOCS.read_text(), flags=re.MULTILINE)
    plain = json.loads((GOLDEN / "two-streams.json").read_text())["packets_of_32_bytes_picture_7"]
    sealed = json.loads((GOLDEN / "sealed.json").read_text())
    assert "".join(rows).replace(" ", "") == plain[0] + sealed[0]


def test_the_docs_overhead_table_is_what_the_packetiser_does() -> None:
    rows = re.findall(r"^\| (\d+) \| (\d+) \| (\d+) \| (\d+\.\d) % \|", DOCS.read_text(), flags=re.MULTILINE)
    assert len(rows) >= 4
    for packet_bytes, n_packets, n_bytes, percent in rows:
        packets = Packetiser(int(packet_bytes)).packetise(one_stream(900), 0)
        assert len(packets) == int(n_packets)
        assert sum(map(len, packets)) == int(n_bytes)
        assert f"{100 * (int(n_bytes) / 900 - 1):.1f}" == percent


def test_streams_are_sent_in_order_of_importance() -> None:
    bitstream = Bitstream(HEADER, tuple(Stream(kind, bytes(50)) for kind in StreamKind))
    kinds = [Packet.unpack(packet).kind for packet in Packetiser(32).packetise(bitstream, 0)]
    assert list(dict.fromkeys(kinds)) == [
        StreamKind.BASE,
        StreamKind.HCI,
        StreamKind.CAPTION,
        StreamKind.TOKENS,
        StreamKind.LATENT,
        StreamKind.REGIONS,
    ]


def test_a_codecs_order_comes_first() -> None:
    bitstream = Bitstream(
        HEADER, tuple(Stream(kind, bytes(50)) for kind in StreamKind if kind is not StreamKind.TOKENS)
    )
    order = (StreamKind.REGIONS, StreamKind.TOKENS, StreamKind.CAPTION)
    packets = Packetiser(32).packetise(bitstream, 0, order)
    kinds = [Packet.unpack(packet).kind for packet in packets]
    assert list(dict.fromkeys(kinds)) == [
        StreamKind.REGIONS,
        StreamKind.CAPTION,
        StreamKind.BASE,
        StreamKind.HCI,
        StreamKind.LATENT,
    ]
    assert sorted(packets) == sorted(Packetiser(32).packetise(bitstream, 0))


def test_the_sequence_count_continues_per_apid_and_wraps() -> None:
    packetiser = Packetiser(32)
    packetiser.next_count[StreamKind.HCI] = SEQUENCE_COUNTS - 2
    counts = [
        Packet.unpack(packet).sequence_count
        for picture_id in range(2)
        for packet in packetiser.packetise(one_stream(60), picture_id)
    ]
    assert counts == [16382, 16383, 0, 1, 2, 3]
    (caption,) = packetiser.packetise(one_stream(5, StreamKind.CAPTION), 2)
    assert Packet.unpack(caption).sequence_count == 0


@pytest.mark.parametrize("packet_bytes", [31, 1025, 0, -1])
def test_packet_size_outside_the_range_is_refused(packet_bytes: int) -> None:
    with pytest.raises(ConfigError, match=f"packet size {packet_bytes}: give 32 to 1024"):
        Packetiser(packet_bytes)


@pytest.mark.parametrize("picture_id", [-1, 256])
def test_picture_id_outside_the_range_is_refused(picture_id: int) -> None:
    with pytest.raises(ConfigError, match="give 0 to 255"):
        Packetiser().packetise(one_stream(5), picture_id)


def test_a_stream_of_too_many_packets_is_refused_and_leaves_no_gap() -> None:
    packetiser = Packetiser(32)
    longest = MAX_SEGMENTS * 23 - 4
    with pytest.raises(ConfigError, match="raise the packet size"):
        packetiser.packetise(one_stream(longest + 1), 0)
    packets = packetiser.packetise(one_stream(longest), 0)
    assert len(packets) == MAX_SEGMENTS
    assert Packet.unpack(packets[0]).sequence_count == 0


def test_every_packet_of_a_stream_of_units_gives_the_pictures_size_and_a_whole_unit() -> None:
    units = [bytes([index]) * 10 for index in range(20)]
    packets = Packetiser(32).packetise(Bitstream(HEADER, (Stream.of_units(StreamKind.HCI, units),)), 0)
    read = [Packet.unpack(packet) for packet in packets]
    assert [packet.header for packet in read] == [HEADER] * 20
    assert [packet.data for packet in read] == units
    assert [(packet.unit.index, packet.unit.count) for packet in read] == [(index, 20) for index in range(20)]


def test_the_longest_unit_of_one_packet_is_known_beforehand() -> None:
    for units in (1, 2, 16, 17):
        room = unit_room(64, units)
        for length, packets in ((room, 1), (room + 1, 2)):
            stream = Stream.of_units(StreamKind.HCI, [bytes(length), *[b""] * (units - 1)])
            assert len(Packetiser(64).packetise(Bitstream(HEADER, (stream,)), 0)) == packets
