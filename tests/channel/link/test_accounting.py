"""Accounting: every bit and channel use has exactly one purpose, against sizes counted independently."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from channel.link.accounting import Cost, break_down_costs, packet_cost
from channel.phy.mcs import MCS_INDICES, mcs, transport_block
from channel.propagation.timing import schedule_packets
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


def break_down(costs: list[Cost]):
    return break_down_costs(costs, width=WIDTH, height=HEIGHT, symbol_rate_hz=RATE_HZ, symbol_energy_j=ENERGY_J)


@settings(deadline=None, max_examples=100)
@given(
    st.dictionaries(st.sampled_from(list(StreamKind)), st.integers(0, 600), min_size=1),
    st.integers(32, 400),
    st.integers(0, 6),
    st.lists(st.sampled_from(MCS_INDICES), min_size=1, max_size=4),
    st.integers(0, 50),
)
def test_every_bit_and_channel_use_is_counted_once(sizes, packet_bytes, repair, indices, pilots):
    packets, repairs = picture(sizes, packet_bytes, repair)
    sent = [(data, mcs(indices[number % len(indices)])) for number, data in enumerate(packets + repairs)]
    costs = [packet_cost(data, scheme, pilot_uses=pilots) for data, scheme in sent]
    for cost, (data, scheme) in zip(costs, sent, strict=True):
        block = transport_block(len(data), scheme)
        assert cost.bits_on_air == block.coded_bits
        assert cost.channel_uses == block.channel_uses + pilots
        assert min(numbers_of(cost)) >= 0
    result = break_down(costs)
    total = result.total
    for name in FIELDS:
        assert getattr(total, name) == sum(getattr(cost, name) for cost in costs)
        assert getattr(total, name) == sum(getattr(cost, name) for cost in result.costs)
    assert total.packets == len(sent)
    assert total.source_bits == 8 * sum(sizes.values())
    assert total.repair_bits == (8 * len(repairs) * (max(map(len, packets)) - 8) if repairs else 0)
    headers = 7 * len(packets) + 4 * len(sizes) + (9 + 3 * len(sizes)) * len(repairs)
    assert total.header_bits == 8 * headers
    assert total.check_bits == 40 * len(packets) + 72 * len(repairs)
    assert total.pilot_uses == pilots * len(sent)
    by_kind = {cost.name: cost.source_bits for cost in result.costs if not cost.name.startswith("repair")}
    assert by_kind == {kind.name: 8 * size for kind, size in sizes.items()}
    last = schedule_packets([cost.channel_uses for cost in costs], symbol_rate_hz=RATE_HZ, propagation_delay_s=0)[-1]
    assert result.air_time_s == pytest.approx(last.arrival_s)
    assert result.energy_j == pytest.approx(total.channel_uses * ENERGY_J)
    assert result.cbr == pytest.approx(total.channel_uses / 1_179_648)


FIELDS = [name for name in Cost.__slots__ if name != "name"]


def numbers_of(cost: Cost) -> list[int]:
    return [getattr(cost, name) for name in FIELDS]


def test_one_packet_by_hand():
    """100 bytes of HCI: 113 on the wire, padded to 120; MCS 4 is QPSK at 308/1024, so 984 bits take 1636 uses."""
    packets, _ = picture({StreamKind.HCI: 100}, 256, 0)
    cost = packet_cost(packets[0], mcs(4), pilot_uses=3)
    assert cost == Cost("HCI", 1, 800, 88, 40, 0, 56, 2 * 1636 - 984, 1636, 3)
    assert cost.spectral_efficiency == 800 / 1639


def test_repair_costs_are_named_after_the_repaired_streams():
    packets, repairs = picture({StreamKind.HCI: 300, StreamKind.CAPTION: 10}, 64, 2)
    names = [cost.name for cost in break_down([packet_cost(data, mcs(8)) for data in packets + repairs]).costs]
    assert names == ["HCI", "CAPTION", "repair HCI+CAPTION"]


def test_bytes_that_are_not_a_packet_of_this_link_are_payload_of_other():
    cost = packet_cost(b"a packet of another link", mcs(4), grid_uses=5)
    assert (cost.name, cost.source_bits, cost.header_bits, cost.check_bits) == ("other", 192, 0, 24)
    assert cost.channel_uses == cost.data_uses + 5
    sizeless = break_down_costs([cost], width=0, height=0, symbol_rate_hz=RATE_HZ, symbol_energy_j=ENERGY_J)
    assert sizeless.cbr is None


def test_nothing_sent_costs_nothing():
    result = break_down([])
    assert result.total.bits_on_air == result.total.channel_uses == 0
    assert result.total.spectral_efficiency == result.cbr == result.air_time_s == 0


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"width": 0}, "a picture of 0x512 pixels"),
        ({"symbol_rate_hz": 0.0}, "symbol_rate_hz = 0.0: must be a finite number greater than 0"),
        ({"symbol_rate_hz": math.inf}, "symbol_rate_hz = inf: must be a finite number greater than 0"),
        ({"symbol_energy_j": -1.0}, "symbol_energy_j = -1.0: must be a finite number greater than 0"),
        ({"light_time_s": math.nan}, "light_time_s = nan: must be a finite number of at least 0"),
    ],
)
def test_a_cost_breakdown_outside_its_rules_is_refused(changed, message):
    fields = {"width": WIDTH, "height": HEIGHT, "symbol_rate_hz": RATE_HZ, "symbol_energy_j": ENERGY_J} | changed
    with pytest.raises(ConfigError, match=message):
        break_down_costs([], **fields)


def test_costs_of_impossible_packets_are_refused():
    packets, _ = picture({StreamKind.HCI: 900}, 1024, 0)
    with pytest.raises(ConfigError, match="too long for MCS 4"):
        packet_cost(packets[0], mcs(4))
    with pytest.raises(ConfigError, match="-1 pilot symbols"):
        packet_cost(packets[0], mcs(8), pilot_uses=-1)
