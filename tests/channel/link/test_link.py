from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest

from channel.config import ChannelConfig
from channel.link.link import Link
from channel.link.outcome import PacketOutcome
from channel.phy.mcs import MCS_INDICES, mcs
from shared.errors import ConfigError, PacketError
from shared.validation import validate


def config(**values):
    return validate(ChannelConfig, {"snr_db": 2.0, "mcs": 8, "run_seed": 42} | values)


@pytest.fixture(scope="module")
def mixed_packets(space_packet):
    lengths = np.random.default_rng(8).integers(7, 41, 64)
    return [space_packet(int(length), seed) for seed, length in enumerate(lengths)]


def test_golden_outcomes(chains, mixed_packets):
    arrivals = Link(config(erasure_rate=0.1), chains).transmit(mixed_packets, picture_index=3)
    outcomes = "".join("-DFE"[arrival.outcome] for arrival in arrivals)
    assert outcomes == "FDDFDDFFEDFEDFEDEFEDFDDEDDFDFFDFDFDDDEDEDFDFFEFFDDDFDFFDDFDDDDDD"


@pytest.mark.parametrize("index", [4, 13, 28])
def test_packets_of_every_length_are_delivered_at_high_snr(chains, space_packet, index):
    largest = mcs(index).max_packet_bytes
    packets = [space_packet(length) for length in [*range(7, 42), 255, 256, 257, largest - 1, largest]]
    arrivals = Link(config(snr_db=40.0, mcs=index), chains).transmit(packets, picture_index=0)
    assert [arrival.packet for arrival in arrivals] == packets


@pytest.mark.parametrize("index", MCS_INDICES)
def test_every_scheme_carries_short_packets_at_high_snr(chains, space_packet, index):
    packets = [space_packet(length) for length in (7, 16, 24, 40)]
    arrivals = Link(config(snr_db=40.0, mcs=index), chains).transmit(packets, picture_index=0)
    assert [arrival.packet for arrival in arrivals] == packets


@pytest.mark.parametrize("snr_db", [-100.0, 100.0])
@pytest.mark.parametrize("index", [8, 28])
def test_outcomes_at_the_ends_of_the_snr_range_are_certain(chains, space_packet, index, snr_db):
    packets = [space_packet(32, seed) for seed in range(8)]
    arrivals = Link(config(snr_db=snr_db, mcs=index), chains).transmit(packets, picture_index=0)
    assert {arrival.outcome for arrival in arrivals} == {
        PacketOutcome.DELIVERED if snr_db > 0 else PacketOutcome.FEC_FAILED
    }


@pytest.mark.parametrize(("index", "snrs_db"), [(8, (0.0, 1.0, 2.0, 3.0, 4.0)), (28, (16.0, 18.0, 20.0, 22.0))])
def test_block_errors_fall_with_snr(chains, space_packet, index, snrs_db):
    packets = [space_packet(32, seed) for seed in range(100)]
    failed = []
    for snr_db in snrs_db:
        arrivals = Link(config(snr_db=snr_db, mcs=index), chains).transmit(packets, picture_index=0)
        failed.append(sum(arrival.outcome is PacketOutcome.FEC_FAILED for arrival in arrivals))
    assert failed == sorted(failed, reverse=True)
    assert failed[0] > 0.9 * len(packets)
    assert failed[-1] < 0.1 * len(packets)


@pytest.mark.parametrize(("batch_size", "threads"), [(1, 1), (7, 1), (64, 1), (7, 2), (64, 2)])
def test_outcomes_do_not_depend_on_batch_size_and_threads(chains, mixed_packets, batch_size, threads):
    reference = Link(config(erasure_rate=0.1), chains).transmit(mixed_packets, picture_index=1)
    assert {arrival.outcome for arrival in reference} == {
        PacketOutcome.DELIVERED,
        PacketOutcome.FEC_FAILED,
        PacketOutcome.ERASED,
    }
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        link = Link(config(erasure_rate=0.1, batch_size=batch_size), chains)
        assert link.transmit(mixed_packets, picture_index=1) == reference
    finally:
        torch.set_num_threads(before)


def test_outcomes_do_not_depend_on_the_order_of_sending(chains, mixed_packets):
    link = Link(config(erasure_rate=0.1), chains)
    reference = link.transmit(mixed_packets, picture_index=1)
    for position in np.random.default_rng(2).permutation(len(mixed_packets)):
        (alone,) = link.transmit(
            [mixed_packets[position]],
            picture_index=1,
            first_index=int(position),
            uses_before=sum(arrival.channel_uses for arrival in reference[:position]),
        )
        assert alone == reference[position]


def test_another_run_picture_or_index_has_other_noise(chains, mixed_packets):
    def outcomes(run_seed, picture_index, first_index):
        link = Link(config(run_seed=run_seed), chains)
        return [a.outcome for a in link.transmit(mixed_packets, picture_index=picture_index, first_index=first_index)]

    reference = outcomes(42, 0, 0)
    assert outcomes(43, 0, 0) != reference
    assert outcomes(42, 1, 0) != reference
    assert outcomes(42, 0, 1) != reference
    assert outcomes(42, 0, 0) == reference


def test_the_link_does_not_use_global_random_generators(chains, mixed_packets):
    torch_before, numpy_before = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    Link(config(), chains).transmit(mixed_packets[:4], picture_index=0)
    assert torch.equal(torch.get_rng_state(), torch_before)
    assert np.array_equal(np.random.get_state()[1], numpy_before)  # noqa: NPY002


def test_erasures_come_at_their_rate_and_spend_air_time(chains, space_packet):
    arrivals = Link(config(snr_db=40.0, mcs=20, erasure_rate=0.25), chains).transmit(
        [space_packet(7, seed) for seed in range(1000)], picture_index=0
    )
    erased = sum(arrival.outcome is PacketOutcome.ERASED for arrival in arrivals)
    interval = binomtest(erased, len(arrivals)).proportion_ci(0.999, method="exact")
    assert interval.low < 0.25 < interval.high
    assert len({arrival.channel_uses for arrival in arrivals}) == 1
    assert len({arrival.air_time_s for arrival in arrivals}) == 1


@settings(deadline=None, max_examples=25)
@given(
    lengths=st.lists(st.integers(7, 40), max_size=8),
    snr_db=st.floats(-5.0, 10.0),
    erasure_rate=st.sampled_from([0.0, 0.3, 1.0]),
    seed=st.integers(0, 2**64 - 1),
    first_index=st.integers(0, 2**64 - 9),
)
def test_every_packet_has_exactly_one_outcome(chains, space_packet, lengths, snr_db, erasure_rate, seed, first_index):
    packets = [space_packet(length) for length in lengths]
    settings_ = config(snr_db=snr_db, erasure_rate=erasure_rate, run_seed=seed)
    arrivals = Link(settings_, chains).transmit(packets, picture_index=seed, first_index=first_index)
    assert [arrival.index for arrival in arrivals] == list(range(first_index, first_index + len(packets)))
    for packet, arrival in zip(packets, arrivals, strict=True):
        assert arrival.packet == (packet if arrival.outcome is PacketOutcome.DELIVERED else None)
        assert arrival.packet_bytes == len(packet)


def test_bytes_that_are_not_one_packet_are_refused(chains, space_packet):
    link = Link(config(), chains)
    for wrong in (b"", bytes(6), space_packet(20)[:-1], space_packet(20) + b"\0"):
        with pytest.raises(PacketError, match=f"^{len(wrong)} bytes .*Space Packet"):
            link.transmit([space_packet(20), wrong], picture_index=0)


def test_a_packet_too_long_for_the_scheme_is_refused(chains, space_packet):
    with pytest.raises(ConfigError, match="1025 bytes is too long for MCS 8"):
        Link(config(), chains).transmit([space_packet(1025)], picture_index=0)
    with pytest.raises(ConfigError, match=r"473 bytes is too long for MCS 4, .*rate 1/3"):
        Link(config(mcs=4), chains).transmit([space_packet(473)], picture_index=0)


@pytest.mark.parametrize(("picture_index", "first_index"), [(-1, 0), (2**64, 0), (0, -1), (0, 2**64)])
def test_indices_outside_64_bits_are_refused(chains, space_packet, picture_index, first_index):
    with pytest.raises(ConfigError, match="unsigned 64-bit"):
        Link(config(), chains).transmit([space_packet(20)], picture_index=picture_index, first_index=first_index)
