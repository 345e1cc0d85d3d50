"""Repair packets: enough symbols give the exact packets, wrong symbols are detected, any bytes are handled."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from fastcrc import crc16
from hypothesis import given, settings
from hypothesis import strategies as st
from spacepackets.ccsds.spacepacket import SequenceFlags, SpacePacketHeader

from shared.bitstream import Bitstream, PictureHeader
from shared.errors import ConfigError, PacketError
from shared.packets import APID_BASE, MAX_PACKET_BYTES, SEQUENCE_COUNTS, Packet, Packetiser
from shared.repair.decoder import RepairDecoder, RepairState
from shared.repair.encoder import RepairEncoder, repair_count
from shared.repair.packet import (
    MAX_REPAIR_PACKETS,
    MAX_SOURCE_PACKETS,
    REPAIR_APID,
    ObjectHeader,
    RepairPacket,
    StreamRun,
    is_repair,
    repair_packet_bytes,
)
from shared.streams import Stream, StreamKind

GOLDEN = Path(__file__).parent / "golden"
DOCS = Path(__file__).parents[2] / "docs" / "losses.md"
HEADER = PictureHeader(768, 512)


def picture_packets(
    sizes: dict[StreamKind, int], packet_bytes: int = 48, picture_id: int = 7, next_count: int = 0
) -> list[bytes]:
    streams = tuple(
        Stream(kind, bytes((31 * index + kind) % 256 for index in range(size))) for kind, size in sorted(sizes.items())
    )
    packetiser = Packetiser(packet_bytes, dict.fromkeys(StreamKind, next_count))
    return packetiser.packetise(Bitstream(HEADER, streams), picture_id)


def recovered(received: list[bytes], decoder: RepairDecoder | None = None) -> list[bytes]:
    decoder = decoder or RepairDecoder()
    return [packet for data in received for packet in decoder.push(data)]


def with_crc(body: bytes) -> bytes:
    return body + crc16.ibm_3740(body).to_bytes(2, "big")


pictures = st.builds(
    picture_packets,
    st.dictionaries(st.sampled_from(list(StreamKind)), st.integers(0, 400), min_size=1),
    st.integers(32, 120),
    st.integers(0, 255),
    st.integers(0, SEQUENCE_COUNTS - 1),
)


@given(pictures, st.integers(1, 12), st.data())
@settings(deadline=None, max_examples=300)
def test_symbols_that_suffice_recover_the_exact_packets_in_any_order_and_number(
    packets: list[bytes], repair: int, data: st.DataObject
) -> None:
    repairs = RepairEncoder().repair_packets(packets, repair)
    received = data.draw(st.lists(st.sampled_from(packets + repairs), max_size=3 * len(packets)))
    decoder = RepairDecoder()
    handed_on = recovered(received, decoder)
    assert set(handed_on) <= set(packets)
    source, repair_ids = set(packets) & set(received), set(repairs) & set(received)
    statuses = decoder.statuses(packets[0][6])
    if not repair_ids:
        assert statuses == ()
        return
    (status,) = statuses
    assert status.source_packets == len(packets)
    assert status.source_received == len(source)
    lacking = len(packets) - len(source) - len(repair_ids)
    if lacking > 0:
        assert status.state is RepairState.WAITING
        assert status.missing_symbols == lacking
    if status.state is RepairState.WAITING:
        assert set(handed_on) == source
        assert status.missing_symbols >= 1
    else:
        assert status.state is RepairState.REPAIRED or (status.state is RepairState.WHOLE and source == set(packets))
        assert set(handed_on) == set(packets)
        assert status.missing_symbols == 0


@given(pictures, st.data())
@settings(deadline=None, max_examples=100)
def test_two_symbols_more_than_packets_practically_always_suffice(packets: list[bytes], data: st.DataObject) -> None:
    """RFC 6330 (section 5.8) asks for failures in at most 1 of 10^6 cases here."""
    kept = data.draw(st.sets(st.sampled_from(packets), max_size=len(packets) - 1))
    repairs = RepairEncoder().repair_packets(packets, len(packets) + 5)
    shuffled = data.draw(st.permutations(repairs))[: len(packets) - len(kept) + 2]
    assert set(recovered([*kept, *shuffled])) == set(packets)


@given(pictures)
@settings(deadline=None, max_examples=50)
def test_one_lost_packet_is_recovered_by_one_repair_packet_beside_the_rest(packets: list[bytes]) -> None:
    """Of all objects up to 400 packets this is untrue of those of 302 to 305 only, which are larger than these."""
    repairs = RepairEncoder().repair_packets(packets, 1)
    assert set(recovered([*packets[1:], *repairs])) == set(packets)


def test_one_more_symbol_is_needed_if_as_many_as_packets_are_not_enough() -> None:
    packets = picture_packets({StreamKind.HCI: 302 * 23 - 4}, 32)
    assert len(packets) == 302
    first, second = RepairEncoder().repair_packets(packets, 2)
    decoder = RepairDecoder()
    assert recovered([*packets[1:], first], decoder) == packets[1:]
    assert decoder.statuses(7)[0].state is RepairState.WAITING
    assert decoder.statuses(7)[0].missing_symbols == 1
    assert recovered([second], decoder) == packets[:1]
    assert decoder.statuses(7)[0].state is RepairState.REPAIRED


@given(pictures, st.data())
@settings(deadline=None, max_examples=200)
def test_a_wrong_symbol_with_a_right_crc_never_makes_a_wrong_packet(packets: list[bytes], data: st.DataObject) -> None:
    repairs = RepairEncoder().repair_packets(packets, len(packets) + 2)
    victim = data.draw(st.integers(0, len(repairs) - 1))
    first_symbol_byte = 9 + 3 * len(RepairPacket.unpack(repairs[0]).header.runs) + 4
    position = data.draw(st.integers(first_symbol_byte, len(repairs[0]) - 3))
    change = data.draw(st.integers(1, 255))
    body = bytearray(repairs[victim][:-2])
    body[position] ^= change
    repairs[victim] = with_crc(bytes(body))
    decoder = RepairDecoder()
    handed_on = recovered(repairs[victim:] + repairs[:victim], decoder)
    assert set(handed_on) <= set(packets)
    (status,) = decoder.statuses(packets[0][6])
    if status.state is not RepairState.DAMAGED:
        # As many symbols as packets did not suffice, once in a hundred: of one more, the wrong one was spare.
        assert status.state is RepairState.REPAIRED
        assert status.repair_received > status.source_packets
        assert set(handed_on) == set(packets)


def test_a_wrong_source_packet_with_a_right_crc_is_caught_by_the_hash() -> None:
    packets = picture_packets({StreamKind.HCI: 300})
    body = bytearray(packets[3][:-2])
    body[20] ^= 1
    decoder = RepairDecoder()
    wrong = with_crc(bytes(body))
    received = [*packets[:2], wrong, *packets[4:], *RepairEncoder().repair_packets(packets, 3)]
    assert recovered(received, decoder) == [*packets[:2], wrong, *packets[4:]]
    assert decoder.statuses(7)[0].state is RepairState.DAMAGED


@given(st.binary(max_size=1100))
@settings(deadline=None, max_examples=500)
def test_any_bytes_give_a_repair_packet_or_a_typed_error(data: bytes) -> None:
    _unpack_or_typed_error(data)


repair_words = st.integers(REPAIR_APID, REPAIR_APID + 1) | st.integers(0, 0xFFFF)


@given(st.lists(st.tuples(repair_words, st.just(0xC000) | st.integers(0, 0xFFFF), st.binary(min_size=1, max_size=60))))
@settings(deadline=None, max_examples=500)
def test_any_fields_with_a_right_length_and_crc_raise_no_other_error(fields: list[tuple[int, int, bytes]]) -> None:
    decoder = RepairDecoder(max_bytes=20_000)
    for identification, sequence, data_field in fields:
        primary = b"".join(word.to_bytes(2, "big") for word in (identification, sequence, len(data_field) + 1))
        data = with_crc(primary + data_field)
        _unpack_or_typed_error(data)
        decoder.push(data)
        assert decoder.held_bytes <= 20_000


few_kinds = st.sampled_from([StreamKind.HCI, StreamKind.CAPTION])


@given(
    st.lists(
        st.builds(
            RepairPacket,
            st.builds(
                ObjectHeader,
                st.just(1),
                st.lists(st.builds(StreamRun, few_kinds, st.integers(0, 2), st.integers(1, 3)), min_size=1).map(
                    lambda runs: tuple(sorted({run.kind: run for run in runs}.values(), key=lambda run: run.kind))
                ),
                st.just(b"hash"),
            ),
            st.integers(0, SEQUENCE_COUNTS - 1),
            st.integers(0, MAX_REPAIR_PACKETS - 1),
            st.integers(1, 20).map(bytes) | st.binary(min_size=1, max_size=20),
        ).map(lambda packet: packet.pack())
        | st.sampled_from(picture_packets({StreamKind.HCI: 60, StreamKind.CAPTION: 3}, 32, 1)),
        max_size=40,
    )
)
@settings(deadline=None, max_examples=300)
def test_repair_packets_of_invented_objects_raise_no_other_error(received: list[bytes]) -> None:
    """They reach the library, whose panics are not an ``Exception``."""
    assert recovered(received) == [data for data in received if not is_repair(data)]


def _unpack_or_typed_error(data: bytes) -> None:
    try:
        packet = RepairPacket.unpack(data)
    except PacketError:
        return
    assert packet.pack() == data


def test_every_change_of_every_byte_is_refused() -> None:
    (packet,) = RepairEncoder().repair_packets(picture_packets({StreamKind.HCI: 20}), 1)
    for position in range(len(packet)):
        for change in range(1, 256):
            damaged = bytearray(packet)
            damaged[position] ^= change
            with pytest.raises(PacketError):
                RepairPacket.unpack(bytes(damaged))


@pytest.mark.parametrize(
    ("primary_and_field", "message"),
    [
        ("0041 c000 0010 07 0001 000000 01020304 aaaaaaaaaa", "APID 0x041 is not 0x061"),
        ("0060 c000 0010 07 0001 000000 01020304 aaaaaaaaaa", "APID 0x060 is not 0x061"),
        ("0061 4000 0010 07 0001 000000 01020304 aaaaaaaaaa", "sequence flags must be 11"),
        ("0061 c000 0010 07 0000 000000 01020304 aaaaaaaaaa", "0 streams holds no repair symbol"),
        ("0061 c000 000b 07 0001 000000 01020304", "1 streams holds no repair symbol"),
        ("0061 c000 000f 07 0003 ffc000 000000 01020304 aa", "1025 packets in one object"),
    ],
)
def test_a_packet_that_pack_never_writes_is_refused(primary_and_field: str, message: str) -> None:
    with pytest.raises(PacketError, match=message):
        RepairPacket.unpack(with_crc(bytes.fromhex(primary_and_field)))


def test_spacepackets_itself_reads_a_repair_packet() -> None:
    packets = picture_packets({StreamKind.HCI: 300, StreamKind.CAPTION: 20}, next_count=SEQUENCE_COUNTS - 2)
    encoder = RepairEncoder(next_count=SEQUENCE_COUNTS - 1)
    for count, data in zip([SEQUENCE_COUNTS - 1, 0, 1], encoder.repair_packets(packets, 3), strict=True):
        primary = SpacePacketHeader.unpack(data)
        assert primary.apid == REPAIR_APID
        assert primary.seq_flags == SequenceFlags.UNSEGMENTED
        assert primary.seq_count == count
        assert primary.packet_len == len(data) == repair_packet_bytes(48, 2)
        assert crc16.ibm_3740(data) == 0
    assert encoder.next_count == 2


def test_no_apid_of_a_stream_is_the_one_of_repair() -> None:
    assert REPAIR_APID not in {APID_BASE + kind for kind in StreamKind}
    (repair,) = RepairEncoder().repair_packets(picture_packets({StreamKind.HCI: 20}), 1)
    with pytest.raises(PacketError, match="carries no stream"):
        Packet.unpack(repair)


def test_objects_of_one_picture_are_repaired_independently() -> None:
    packets = picture_packets({StreamKind.HCI: 300, StreamKind.LATENT: 200})
    hci = [data for data in packets if Packet.unpack(data).kind is StreamKind.HCI]
    latent = [data for data in packets if Packet.unpack(data).kind is StreamKind.LATENT]
    encoder = RepairEncoder()
    repairs = encoder.repair_packets(hci, 4) + encoder.repair_packets(latent, 1)
    decoder = RepairDecoder()
    handed_on = recovered([*hci[3:], *latent[2:], *repairs], decoder)
    assert set(handed_on) == set(hci) | set(latent[2:])
    states = {status.kinds: status.state for status in decoder.statuses(7)}
    assert states == {(StreamKind.HCI,): RepairState.REPAIRED, (StreamKind.LATENT,): RepairState.WAITING}


def test_the_largest_object_is_repaired() -> None:
    packets = picture_packets({StreamKind.HCI: MAX_SOURCE_PACKETS * 23 - 4}, 32, next_count=SEQUENCE_COUNTS - 5)
    assert len(packets) == MAX_SOURCE_PACKETS
    repairs = RepairEncoder().repair_packets(packets, 8)
    assert set(recovered(packets[6:] + repairs)) == set(packets)


def test_memory_is_bounded_and_the_oldest_picture_is_dropped_first() -> None:
    decoder = RepairDecoder(max_pictures=2)
    first, second, third = (picture_packets({StreamKind.HCI: 300}, picture_id=number) for number in (1, 2, 3))
    recovered([*first[1:], *second[1:], first[0], third[0]], decoder)
    assert recovered(RepairEncoder().repair_packets(second, 2), decoder) == []
    assert decoder.statuses(2)[0].source_received == 0
    assert decoder.statuses(9) == ()


@pytest.mark.parametrize(
    ("packets", "count", "message"),
    [
        (picture_packets({StreamKind.HCI: 300})[1:], 1, "stream HCI do not make one complete stream"),
        (picture_packets({StreamKind.HCI: 300})[:-1], 1, "stream HCI do not make one complete stream"),
        (picture_packets({StreamKind.HCI: 300})[::-1], 1, "stream HCI do not make one complete stream"),
        (picture_packets({StreamKind.HCI: 20}) * 2, 1, "stream HCI do not make one complete stream"),
        (
            picture_packets({StreamKind.HCI: 20}) + picture_packets({StreamKind.CAPTION: 20}, picture_id=8),
            1,
            "CAPTION do not make one complete stream of one picture",
        ),
        ([], 1, "0 packets to repair: one object has 1 to 1024"),
        (picture_packets({StreamKind.HCI: 20}) * 1025, 1, "1025 packets to repair"),
        (picture_packets({StreamKind.HCI: 20}), -1, "-1 repair packets: give 0 to 1024"),
        (picture_packets({StreamKind.HCI: 20}), 1025, "1025 repair packets: give 0 to 1024"),
        (picture_packets({StreamKind.HCI: 2000}, 1024), 1, "make the picture's packets 10 bytes shorter"),
    ],
)
def test_packets_that_cannot_be_repaired_raise_a_one_line_error(packets: list[bytes], count: int, message: str) -> None:
    encoder = RepairEncoder()
    with pytest.raises(ConfigError, match=message):
        encoder.repair_packets(packets, count)
    assert encoder.next_count == 0


def test_the_longest_packets_within_the_limit_are_repaired() -> None:
    packets = picture_packets({StreamKind.HCI: 3000}, MAX_PACKET_BYTES - 10)
    repairs = RepairEncoder().repair_packets(packets, 2)
    assert {len(data) for data in repairs} == {MAX_PACKET_BYTES}
    assert set(recovered(packets[1:] + repairs)) == set(packets)


def test_other_bytes_raise_in_the_encoder_and_pass_through_the_decoder() -> None:
    with pytest.raises(PacketError):
        RepairEncoder().repair_packets([b"no packet"], 1)
    assert RepairDecoder().push(b"no packet") == [b"no packet"]
    assert RepairDecoder().push(b"") == [b""]


@pytest.mark.parametrize(("packets", "overhead", "count"), [(20, 0.1, 2), (10, 0.1, 1), (1, 0.01, 1), (7, 0, 0)])
def test_the_number_of_repair_packets_is_rounded_up(packets: int, overhead: float, count: int) -> None:
    assert repair_count(packets, overhead) == count


@pytest.mark.parametrize("overhead", [-0.1, float("nan"), float("inf")])
def test_an_invalid_overhead_raises(overhead: float) -> None:
    with pytest.raises(ConfigError, match="repair overhead"):
        repair_count(10, overhead)


@pytest.mark.parametrize(("pictures_held", "held_bytes"), [(0, 1), (129, 1), (1, 0)])
def test_limits_of_the_decoder_are_checked(pictures_held: int, held_bytes: int) -> None:
    with pytest.raises(ConfigError, match="give"):
        RepairDecoder(pictures_held, held_bytes)


def test_golden_repair_packets_keep_their_bytes() -> None:
    golden = json.loads((GOLDEN / "repair.json").read_text())
    packets = [bytes.fromhex(data) for data in golden["packets"]]
    assert [data.hex() for data in RepairEncoder().repair_packets(packets, 3)] == golden["repair_packets"]
    kept = [packets[0], *(bytes.fromhex(data) for data in golden["repair_packets"])]
    assert set(recovered(kept)) == set(packets)


def test_the_docs_show_the_golden_repair_packet() -> None:
    rows = re.findall(r"^\| `([0-9a-f ]+)` \|", DOCS.read_text(), flags=re.MULTILINE)
    golden = json.loads((GOLDEN / "repair.json").read_text())["repair_packets"]
    assert "".join(rows).replace(" ", "") == golden[1]
