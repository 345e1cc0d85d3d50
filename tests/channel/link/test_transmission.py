"""Transmissions under any mix of impairments: outcomes, order, repeatability from the seed, and costs that add up."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from channel.config import ChannelConfig
from channel.link.link import Link
from channel.link.outcome import PacketOutcome
from channel.link.transmission import Transmission
from shared.bitstream import Bitstream, PictureHeader
from shared.packets import Packetiser
from shared.repair.encoder import RepairEncoder
from shared.streams import Stream, StreamKind
from shared.validation import validate

SYMBOL_RATE_HZ = 1e4  # a packet of 40 bytes takes some 30 ms
MIX = {
    "bursts": {"p_good_to_bad": 0.2, "p_bad_to_good": 0.5},
    "outages": {"period_s": 0.5, "duration_s": 0.1, "offset_s": 0.2},
    "jitter": {"mean_s": 0.03},
}
IMPAIRED = {"impairments": MIX, "erasure_rate": 0.1, "lifetime_s": 0.12, "propagation_delay_s": 0.05}


def config(**values):
    common = {"snr_db": 2.0, "mcs": 8, "run_seed": 42, "symbol_rate_hz": SYMBOL_RATE_HZ}
    return validate(ChannelConfig, common | values)


def send(link: Link, packets, cuts=(), picture_index: int = 7):
    """Return all arrivals in the order in which they were returned, and the report."""
    transmission, arrivals = Transmission(link, picture_index), []
    for low, high in pairwise([0, *cuts, len(packets)]):
        arrivals += transmission.carry(packets[low:high])
        assert transmission.in_flight + len(arrivals) == high
    arrivals += transmission.finish()
    assert transmission.in_flight == 0
    return arrivals, transmission.report()


mixes = st.fixed_dictionaries(
    {
        "snr_db": st.sampled_from([-20.0, 2.0, 2.5, 30.0]),
        "erasure_rate": st.sampled_from([0.0, 0.3, 1.0]),
        "propagation_delay_s": st.sampled_from([0.0, 0.07, 1e6]),
        "lifetime_s": st.none() | st.sampled_from([0.01, 0.1, 1.0]),
        "run_seed": st.integers(0, 2**64 - 1),
        "impairments": st.fixed_dictionaries(
            {name: st.sampled_from([None, impairment]) for name, impairment in MIX.items()},
        ),
    }
)


@settings(deadline=None, max_examples=40)
@given(mixes, st.lists(st.integers(7, 40), min_size=1, max_size=20), st.data())
def test_every_packet_has_one_outcome_under_any_mix_of_impairments(chains, space_packet, mix, lengths, data):
    packets = [space_packet(length, seed) for seed, length in enumerate(lengths)]
    cuts = sorted(data.draw(st.lists(st.integers(0, len(packets)), max_size=4)))
    link = Link(config(**mix), chains)
    arrivals, report = send(link, packets, cuts)
    assert sorted(arrival.index for arrival in arrivals) == list(range(len(packets)))
    assert report.packets == report.outcomes.total() == len(packets)
    for arrival in arrivals:
        assert arrival.packet == (packets[arrival.index] if arrival.outcome is PacketOutcome.DELIVERED else None)
        deadline_s = arrival.departure_s + (mix["lifetime_s"] or math.inf)
        assert (arrival.outcome is PacketOutcome.EXPIRED) == (
            arrival.arrival_s == deadline_s and arrival.packet is None
        )
        assert arrival.departure_s < arrival.arrival_s <= deadline_s
    assert [arrival.arrival_s for arrival in arrivals] == sorted(arrival.arrival_s for arrival in arrivals)
    # One call with all packets returns the same arrivals in the same order.
    assert send(link, packets)[0] == arrivals


@pytest.fixture(scope="module")
def reference(chains, space_packet):
    packets = [space_packet(7 + seed % 34, seed) for seed in range(96)]
    return packets, send(Link(config(**IMPAIRED), chains), packets)


def test_the_mix_of_impairments_shows_every_outcome_and_reordering(reference):
    _, (arrivals, report) = reference
    assert set(report.outcomes) == set(PacketOutcome)
    assert [arrival.index for arrival in arrivals] != sorted(arrival.index for arrival in arrivals)
    delivered = [one for one in arrivals if one.outcome is PacketOutcome.DELIVERED]
    # RFC 4737, section 3.3: a packet is reordered if one that was sent later arrived before it.
    reordered = sum(any(b.index > a.index and b.arrival_s < a.arrival_s for b in delivered) for a in delivered)
    assert report.reordered == reordered > 0


@pytest.mark.parametrize(("batch_size", "step"), [(1, 96), (7, 96), (256, 5), (256, 1)])
def test_outcomes_do_not_depend_on_batches(chains, reference, batch_size, step):
    packets, expected = reference
    link = Link(config(**IMPAIRED, batch_size=batch_size), chains)
    assert send(link, packets, range(step, len(packets), step)) == expected


def test_outcomes_do_not_depend_on_threads(chains, reference):
    packets, (arrivals, _) = reference
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        again, _ = send(Link(config(**IMPAIRED), chains), packets[:8])
    finally:
        torch.set_num_threads(before)
    assert {one.index: one for one in again} == {one.index: one for one in arrivals if one.index < 8}


def test_another_seed_loses_other_packets(chains, reference):
    packets, (arrivals, _) = reference
    others, _ = send(Link(config(**IMPAIRED, run_seed=43), chains), packets)
    assert {one.index: one.outcome for one in others} != {one.index: one.outcome for one in arrivals}


def test_the_cost_breakdown_of_a_picture_with_repair(chains):
    streams = (Stream(StreamKind.HCI, bytes(300)), Stream(StreamKind.CAPTION, bytes(20)))
    packets = Packetiser(64).packetise(Bitstream(PictureHeader(768, 512), streams), 1)
    repairs = RepairEncoder().repair_packets(packets, 2)
    link = Link(config(snr_db=30.0, transmit_power_w=20.0, propagation_delay_s=5.0), chains)
    arrivals, report = send(link, packets + repairs)
    cost = report.cost
    assert [one.name for one in cost.costs] == ["HCI", "CAPTION", "repair HCI+CAPTION"]
    assert cost.total.packets == len(packets) + len(repairs)
    assert cost.total.source_bits == 8 * 320
    assert cost.total.channel_uses == sum(arrival.channel_uses for arrival in arrivals)
    assert cost.cbr == cost.total.channel_uses / (3 * 768 * 512)
    assert cost.air_time_s == pytest.approx(cost.total.channel_uses / SYMBOL_RATE_HZ)
    assert cost.energy_j == pytest.approx(20.0 * cost.air_time_s)
    assert cost.light_time_s == 5.0
    assert report.information_bits == 8 * sum(map(len, packets + repairs))
    assert report.spectral_efficiency == report.information_bits / cost.total.channel_uses
    assert report.last_arrival_s == pytest.approx(5.0 + cost.air_time_s)


def test_streams_have_their_own_mcs_and_repair_takes_the_most_robust(chains):
    streams = (Stream(StreamKind.HCI, bytes(100)), Stream(StreamKind.CAPTION, bytes(100)))
    packets = Packetiser(128).packetise(Bitstream(PictureHeader(768, 512), streams), 1)
    repairs = RepairEncoder().repair_packets(packets, 1)
    settings_ = config(snr_db=-1.0, mcs=20, stream_mcs={StreamKind.HCI: 4})
    arrivals, report = send(Link(settings_, chains), packets + repairs)
    assert [arrival.outcome for arrival in arrivals] == [
        PacketOutcome.DELIVERED,
        PacketOutcome.FEC_FAILED,
        PacketOutcome.DELIVERED,
    ]
    hci, caption, repair = report.cost.costs
    assert hci.bits_on_air == 2 * hci.data_uses
    assert caption.bits_on_air == 6 * caption.data_uses
    assert repair.bits_on_air == 2 * repair.data_uses


def test_nothing_sent_is_all_zero(chains):
    arrivals, report = send(Link(config(), chains), [])
    assert (arrivals, report.packets, report.cost.total.channel_uses) == ([], 0, 0)
    assert (report.spectral_efficiency, report.last_arrival_s, report.cost.cbr) == (0.0, 0.0, None)
