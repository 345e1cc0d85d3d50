"""The Polar code of the shortest packets."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sionna.phy.fec.crc import CRCDecoder, CRCEncoder
from sionna.phy.fec.polar import Polar5GDecoder, Polar5GEncoder
from sionna.phy.mapping import Demapper, Mapper

from channel.config import ChannelConfig
from channel.link.link import Link
from channel.link.outcome import PacketOutcome
from channel.phy.ldpc import LdpcCode
from channel.phy.mcs import MCS_INDICES, mcs, prefers_polar, transport_block
from channel.phy.polar import PolarCode
from channel.rng import draw_noise
from shared.errors import ConfigError
from shared.validation import validate


def send(chains, packets, **values):
    settings = {"snr_db": 2.0, "mcs": 8, "run_seed": 42, "short_packet_code": "polar"} | values
    return Link(validate(ChannelConfig, settings), chains).transmit(packets, picture_index=0)


POLAR_INDICES = [index for index in MCS_INDICES if prefers_polar(mcs(index), transport_block(8, mcs(index)))]


def test_the_rule_picks_short_packets_on_qpsk_only():
    assert [mcs(index).modulation for index in POLAR_INDICES] == ["QPSK"] * len(POLAR_INDICES)
    assert {3, 8} <= set(POLAR_INDICES)
    for index in POLAR_INDICES:
        assert not prefers_polar(mcs(index), transport_block(256, mcs(index)))


@pytest.mark.parametrize("index", POLAR_INDICES)
def test_packets_of_every_length_are_delivered_at_high_snr(chains, space_packet, index):
    packets = [space_packet(length) for length in (7, 8, 9, 16, 17, 24, 25, 32)]
    assert [arrival.packet for arrival in send(chains, packets, mcs=index, snr_db=40.0)] == packets


@pytest.mark.parametrize(("index", "es_n0_db"), [(3, -2.5), (8, 2.5)])
def test_decisions_equal_those_of_sionnas_blocks_under_the_same_noise(chains, space_packet, index, es_n0_db):
    packets = [space_packet(8, seed) for seed in range(60)]
    arrivals = send(chains, packets, mcs=index, snr_db=es_n0_db)
    crc = CRCEncoder("CRC24A", device="cpu")
    encoder = Polar5GEncoder(88, transport_block(8, mcs(index)).coded_bits, device="cpu")
    decoder = Polar5GDecoder(encoder, dec_type="SCL", list_size=8, device="cpu")
    mapper, demapper = Mapper("qam", 2, device="cpu"), Demapper("app", "qam", 2, device="cpu")
    bits = np.stack([np.unpackbits(np.frombuffer(packet, np.uint8)) for packet in packets])
    variance = 10 ** (-es_n0_db / 10)
    with torch.inference_mode():
        symbols = mapper(encoder(crc(torch.from_numpy(bits).float())))
        noise = torch.from_numpy(draw_noise(42, 0, range(60), symbols.shape[1], variance))
        decided, valid = CRCDecoder(crc, device="cpu")(decoder(demapper(symbols + noise, torch.tensor(variance))))
    expected = [
        np.packbits(row.numpy().astype(np.uint8)).tobytes() if ok else None
        for row, ok in zip(decided, valid[:, 0], strict=True)
    ]
    assert [arrival.packet for arrival in arrivals] == expected
    assert {arrival.outcome for arrival in arrivals} == {PacketOutcome.DELIVERED, PacketOutcome.FEC_FAILED}


def test_the_polar_code_changes_neither_channel_uses_nor_longer_packets(chains, space_packet):
    packets = [space_packet(length, length) for length in (8, 64, 8, 64, 64)]
    polar, ldpc = send(chains, packets), send(chains, packets, short_packet_code="ldpc")
    assert [arrival.channel_uses for arrival in polar] == [arrival.channel_uses for arrival in ldpc]
    assert [polar[position] for position in (1, 3, 4)] == [ldpc[position] for position in (1, 3, 4)]


def test_polar_and_ldpc_chains_are_cached_separately(chains):
    block = transport_block(8, mcs(8))
    polar = chains.chain(mcs(8), block, bp_iterations=20, device="cpu", polar=True)
    ldpc = chains.chain(mcs(8), block, bp_iterations=20, device="cpu")
    assert isinstance(polar.code, PolarCode)
    assert isinstance(ldpc.code, LdpcCode)
    assert chains.chain(mcs(8), block, bp_iterations=20, device="cpu", polar=True) is polar


@pytest.mark.parametrize(("batch_size", "threads"), [(1, 1), (7, 1), (64, 2)])
def test_outcomes_do_not_depend_on_batch_size_and_threads(chains, space_packet, batch_size, threads):
    packets = [space_packet(8, seed) for seed in range(40)]
    reference = send(chains, packets)
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        assert send(chains, packets, batch_size=batch_size) == reference
    finally:
        torch.set_num_threads(before)
    assert {arrival.outcome for arrival in reference} == {PacketOutcome.DELIVERED, PacketOutcome.FEC_FAILED}


def test_an_unknown_channel_code_is_refused_by_name():
    with pytest.raises(ConfigError, match=r"short_packet_code = 'turbo': .*'ldpc' or 'polar'"):
        validate(ChannelConfig, {"snr_db": 1.0, "mcs": 8, "short_packet_code": "turbo"})
