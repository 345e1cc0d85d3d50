"""Sealed packets: no damage is taken for a packet, and packets of two transfers never mix."""

from __future__ import annotations

import contextlib
import json
import random
import re
import secrets
from pathlib import Path

import pytest
from fastcrc import crc16
from hypothesis import given, settings
from hypothesis import strategies as st

from channel.link.accounting import packet_cost
from channel.phy.mcs import mcs
from receiver.reception import MAX_TRANSFERS, Reception
from sender.packets import make_packets
from shared.bitstream import Bitstream, PictureHeader
from shared.errors import ConfigError, PacketError
from shared.packets import Packet, Packetiser
from shared.repair.packet import kinds_of
from shared.sealed import SEAL_BYTES, is_sealed, seal, unseal
from shared.streams import Stream, StreamKind

ROOT = Path(__file__).parents[2]
GOLDEN = ROOT / "tests" / "shared" / "golden" / "sealed.json"
SEED = 20
HCI, CAPTION = StreamKind.HCI, StreamKind.CAPTION
HEADER = PictureHeader(768, 512)


def picture(seed: int, header: PictureHeader = HEADER) -> Bitstream:
    """A picture of a long stream and a short one; all pictures have streams of equal lengths."""
    rng = random.Random(seed)
    return Bitstream(header, (Stream(HCI, rng.randbytes(500)), Stream(CAPTION, rng.randbytes(40))))


def packets_of(bitstream: Bitstream, **options) -> list[bytes]:
    overheads = {HCI: 0.3, CAPTION: 0.3}
    return list(make_packets(bitstream, packet_bytes=80, repair_overheads=overheads, sealed=True, **options).all)


def received(packets, picture_index: int = 0) -> Reception:
    reception = Reception(picture_index)
    for packet in packets:
        reception.push(packet)
    return reception


def damaged(packet: bytes, rng: random.Random) -> bytes:
    """``packet`` after a burst of up to 64 bits, or with a wrong length."""
    if rng.random() < 0.1:
        return packet[: rng.randrange(len(packet))] if rng.random() < 0.5 else packet + bytes(rng.randrange(1, 5))
    start = rng.randrange(8 * len(packet) - 64)
    return (int.from_bytes(packet, "big") ^ rng.randrange(1, 1 << 64) << start).to_bytes(len(packet), "big")


@given(st.binary(min_size=0, max_size=200), st.binary(min_size=4, max_size=4), st.integers(0, 255))
@settings(deadline=None)
def test_unseal_inverts_seal(payload, identity, picture_id):
    bitstream = Bitstream(PictureHeader(64, 64), (Stream(HCI, payload),))
    for packet in Packetiser(64).packetise(bitstream, picture_id):
        sealed = seal(packet, identity)
        assert len(sealed) == len(packet) + SEAL_BYTES
        assert is_sealed(sealed)
        assert not is_sealed(packet)
        assert unseal(sealed) == (identity, packet)


@given(st.binary(max_size=60))
@settings(deadline=None)
def test_any_bytes_unseal_or_raise_a_typed_error(data):
    with pytest.raises(PacketError):
        unseal(data)
    assert not Reception(0).push(data)


def undetected(count: int) -> tuple[int, int]:
    """How many of ``count`` damaged packets pass the seal, and how many pass the CRC-16 of packets without one."""
    rng = random.Random(SEED)
    plain = Packetiser(40).packetise(picture(1), 0)[1]
    sealed, passed, passed_crc = seal(plain, b"abcd"), 0, 0
    for _ in range(count):
        with contextlib.suppress(PacketError):
            passed += unseal(damaged(sealed, rng))[0] != b""
        passed_crc += crc16.ibm_3740(damaged(plain, rng)) == 0
    return passed, passed_crc


def test_none_of_20000_damaged_packets_passes():
    assert undetected(20_000)[0] == 0


@pytest.mark.slow
def test_none_of_a_million_damaged_packets_passes_of_which_several_pass_a_crc_of_16_bits():
    passed, passed_crc = undetected(1_000_000)
    assert passed == 0
    assert passed_crc > 3


def receptions_with_strays(count: int) -> list[tuple[Bitstream, Bitstream | None]]:
    """What was sent and what was received, with 15 % loss and 8 % packets of another picture with the same id."""
    rng = random.Random(SEED)
    results = []
    for index in range(count):
        sent, other = picture(2 * index), picture(2 * index + 1)
        arrived = [packet for packet in packets_of(sent) if rng.random() >= 0.15]
        arrived += [packet for packet in packets_of(other) if rng.random() < 0.08]
        rng.shuffle(arrived)
        results.append((sent, received(arrived).bitstream()))
    return results


def test_every_stream_that_is_returned_was_sent():
    results = receptions_with_strays(150)
    for sent, found in results:
        assert found is None or set(found.streams) <= set(sent.streams)
    assert sum(found == sent for sent, found in results) > 75


@pytest.mark.slow
def test_every_stream_that_is_returned_was_sent_in_3000_receptions():
    for sent, found in receptions_with_strays(3000):
        assert found is None or set(found.streams) <= set(sent.streams)


@pytest.mark.parametrize(
    "forged_header", [PictureHeader(768, 512), PictureHeader(64, 64)], ids=["same", "another size"]
)
def test_a_forged_first_packet_does_not_kill_the_picture(forged_header):
    sent = picture(3)
    forged = [packets_of(picture(seed, forged_header))[0] for seed in range(10, 14 + MAX_TRANSFERS)]
    for arrived in ([*forged, *packets_of(sent)], [*packets_of(sent), *forged]):
        assert received(arrived).bitstream() == sent


@pytest.mark.parametrize("sealed", [True, False])
def test_packets_of_another_size_or_id_leave_the_picture_as_it_is(sealed):
    sent = picture(4)
    packets = list(make_packets(sent, packet_bytes=80, sealed=sealed).all)
    size = make_packets(picture(5, PictureHeader(64, 64)), packet_bytes=80, sealed=sealed).all[0]
    other = make_packets(picture(6), packet_bytes=80, sealed=sealed, picture_index=1).all
    reception = received([packets[0], size, *packets[1:4], *other, size, *packets[4:], size])
    assert reception.bitstream() == sent
    assert reception.rejected_packets == len(other)


def test_the_identity_follows_from_the_packets_alone():
    one, again, other = (unseal(packets_of(picture(seed))[0])[0] for seed in (7, 7, 8))
    assert one == again != other
    assert {unseal(packet)[0] for packet in packets_of(picture(7))} == {one}


def test_the_seal_is_charged_and_each_packet_keeps_its_name():
    plain = list(make_packets(picture(9), packet_bytes=74, repair_overheads={HCI: 0.3}).all)
    sealed = list(make_packets(picture(9), packet_bytes=80, repair_overheads={HCI: 0.3}, sealed=True).all)
    for before, after in zip(plain, sealed, strict=True):
        assert kinds_of(before) == kinds_of(after)
        costs = packet_cost(before, mcs(4)), packet_cost(after, mcs(4))
        assert costs[0].name == costs[1].name
        assert costs[0].source_bits == costs[1].source_bits
        assert costs[1].header_bits - costs[0].header_bits == 32
        assert costs[1].check_bits - costs[0].check_bits == 16


@pytest.mark.parametrize("packet_bytes", [32, 37])
def test_too_small_packets_are_refused(packet_bytes):
    with pytest.raises(ConfigError, match=f"sealed packets of {packet_bytes} bytes: give 38 or more"):
        make_packets(picture(1), packet_bytes=packet_bytes, sealed=True)


def test_golden_sealed_packets_keep_their_bytes_and_the_docs_show_the_first():
    sent = Bitstream(PictureHeader(768, 512), (Stream(HCI, bytes(range(0xA0, 0xBE))), Stream(CAPTION, b"red barn")))
    made = make_packets(sent, packet_bytes=38, picture_index=7, repair_overheads={HCI: 0.5}, sealed=True).all
    assert [packet.hex() for packet in made] == json.loads(GOLDEN.read_text())
    table = (ROOT / "docs" / "bitstream.md").read_text().split("### Example of a sealed packet")[1]
    shown = "".join(re.findall(r"^\| `([0-9a-f ]+)` \|", table, re.MULTILINE)).replace(" ", "")
    assert shown == made[0].hex()


def test_forged_packets_of_many_identities_do_not_displace_a_transfer():
    sent = picture(11)
    packets = packets_of(sent)
    noise = [seal(Packet.unpack(unseal(packets[0])[1]).pack(), secrets.token_bytes(4)) for _ in range(50)]
    assert received([*packets[:2], *noise, *packets[2:]]).bitstream() == sent
