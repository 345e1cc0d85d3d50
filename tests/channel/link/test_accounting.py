"""Accounting: every bit and channel use in exactly one place, against sizes counted independently."""

from __future__ import annotations

import math
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from channel.link.accounting import Charge, account, packet_charge
from channel.phy.mcs import MCS_INDICES, mcs, transport_block
from channel.propagation.timing import passages
from shared.bitstream import Bitstream, PictureHeader
from shared.errors import ConfigError
from shared.packets import Packetiser
from shared.repair.encoder import RepairEncoder
from shared.streams import Stream, StreamKind

WIDTH, HEIGHT = 768, 512
RATE_HZ, ENERGY_J = 1e6, 2e-6


def picture(sizes: dict[StreamKind, int], packet_bytes: int, repair: int) -> tuple[list[bytes], list[bytes]]:
    streams = tuple(Stream(kind, bytes(size)) for kind, size in sorted(sizes.items()))
    packets = Packetiser(packet_bytes).packetise(Bitstream(PictureHeader(WIDTH, HEIGHT), streams), 1)
    return packets, RepairEncoder().repair_packets(packets, repair)


def charged(charges: list[Charge]):
    return account(charges, width=WIDTH, height=HEIGHT, symbol_rate_hz=RATE_HZ, symbol_energy_j=ENERGY_J)


@settings(deadline=None, max_examples=100)
@given(
    st.dictionaries(st.sampled_from(list(StreamKind)), st.integers(0, 600), min_size=1),
    st.integers(32, 400),
    st.integers(0, 6),
    st.lists(st.sampled_from(MCS_INDICES), min_size=1, max_size=4),
    st.integers(0, 50),
)
def test_everything_adds_up_and_nothing_is_free(sizes, packet_bytes, repair, indices, pilots):
    packets, repairs = picture(sizes, packet_bytes, repair)
    sent = [(data, mcs(indices[number % len(indices)])) for number, data in enumerate(packets + repairs)]
    charges = [packet_charge(data, scheme, pilot_uses=pilots) for data, scheme in sent]
    for charge, (data, scheme) in zip(charges, sent, strict=True):
        block = transport_block(len(data), scheme)
        assert charge.bits_on_air == block.coded_bits
        assert charge.channel_uses == block.channel_uses + pilots
        assert min(vars_of(charge)) >= 0
    result = charged(charges)
    total = result.total
    for name in FIELDS:
        assert getattr(total, name) == sum(getattr(charge, name) for charge in charges)
        assert getattr(total, name) == sum(getattr(charge, name) for charge in result.charges)
    assert total.packets == len(sent)
    assert total.source_bits == 8 * sum(sizes.values())
    assert total.repair_bits == (8 * len(repairs) * (max(map(len, packets)) - 8) if repairs else 0)
    headers = 7 * len(packets) + 4 * len(sizes) + (9 + 3 * len(sizes)) * len(repairs)
    assert total.header_bits == 8 * headers
    assert total.check_bits == 40 * len(packets) + 72 * len(repairs)
    assert total.pilot_uses == pilots * len(sent)
    by_kind = {charge.name: charge.source_bits for charge in result.charges if not charge.name.startswith("repair")}
    assert by_kind == {kind.name: 8 * size for kind, size in sizes.items()}
    last = passages([charge.channel_uses for charge in charges], symbol_rate_hz=RATE_HZ, propagation_delay_s=0)[-1]
    assert result.air_time_s == pytest.approx(last.arrival_s)
    assert result.energy_j == pytest.approx(total.channel_uses * ENERGY_J)
    assert result.cbr == pytest.approx(total.channel_uses / 1_179_648)


FIELDS = [name for name in Charge.__slots__ if name != "name"]


def vars_of(charge: Charge) -> list[int]:
    return [getattr(charge, name) for name in FIELDS]


def test_one_packet_by_hand():
    """100 bytes of HCI: 113 on the wire, padded to 120; MCS 4 is QPSK at 308/1024, so 984 bits take 1636 uses."""
    packets, _ = picture({StreamKind.HCI: 100}, 256, 0)
    charge = packet_charge(packets[0], mcs(4), pilot_uses=3)
    assert charge == Charge("HCI", 1, 800, 88, 40, 0, 56, 2 * 1636 - 984, 1636, 3)
    assert charge.spectral_efficiency == 800 / 1639


def test_repair_is_charged_to_the_streams_that_it_repairs():
    packets, repairs = picture({StreamKind.HCI: 300, StreamKind.CAPTION: 10}, 64, 2)
    names = [charge.name for charge in charged([packet_charge(data, mcs(8)) for data in packets + repairs]).charges]
    assert names == ["HCI", "CAPTION", "repair HCI+CAPTION"]


def test_the_table_shows_every_number():
    packets, repairs = picture({StreamKind.HCI: 300, StreamKind.CAPTION: 10}, 64, 2)
    result = charged([packet_charge(data, mcs(8), pilot_uses=7) for data in packets + repairs])
    lines = result.markdown().splitlines()
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("|")]
    assert len({len(row) for row in rows}) == 1
    for row, charge in zip(rows[2:], (*result.charges, result.total), strict=True):
        assert row[0] == charge.name
        bits = [int(cell) for cell in row[2:9]]
        assert sum(bits[:-1]) == bits[-1] == charge.bits_on_air
        assert int(row[11]) - int(row[10]) - int(row[9]) == charge.data_uses
    assert re.search(r"CBR 0\.00\d{4} complex uses / \(3·H·W\) at 768×512; energy .* J at Es = 2e-06 J", lines[-1])


def test_what_is_no_packet_of_this_link_is_payload_of_other():
    charge = packet_charge(b"a packet of another link", mcs(4), grid_uses=5)
    assert (charge.name, charge.source_bits, charge.header_bits, charge.check_bits) == ("other", 192, 0, 24)
    assert charge.channel_uses == charge.data_uses + 5
    sizeless = account([charge], width=0, height=0, symbol_rate_hz=RATE_HZ, symbol_energy_j=ENERGY_J)
    assert sizeless.cbr is None
    assert "CBR unknown" in sizeless.markdown()


def test_nothing_sent_costs_nothing():
    result = charged([])
    assert result.total.bits_on_air == result.total.channel_uses == 0
    assert result.total.spectral_efficiency == result.cbr == result.air_time_s == 0


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"width": 0}, "a picture of 0x512 pixels"),
        ({"symbol_rate_hz": 0.0}, "symbol_rate_hz = 0.0: give more than 0"),
        ({"symbol_rate_hz": math.inf}, "symbol_rate_hz = inf: give more than 0"),
        ({"symbol_energy_j": -1.0}, "symbol_energy_j = -1.0: give more than 0"),
        ({"light_time_s": math.nan}, "light_time_s = nan: give 0 or more"),
    ],
)
def test_an_account_outside_its_rules_is_refused(changed, message):
    fields = {"width": WIDTH, "height": HEIGHT, "symbol_rate_hz": RATE_HZ, "symbol_energy_j": ENERGY_J} | changed
    with pytest.raises(ConfigError, match=message):
        account([], **fields)


def test_packets_that_cannot_be_charged_are_refused():
    packets, _ = picture({StreamKind.HCI: 900}, 1024, 0)
    with pytest.raises(ConfigError, match="too long for MCS 4"):
        packet_charge(packets[0], mcs(4))
    with pytest.raises(ConfigError, match="-1 pilot symbols"):
        packet_charge(packets[0], mcs(8), pilot_uses=-1)
