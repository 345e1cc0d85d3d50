"""The chain against theory and against Sionna's blocks called directly."""

from __future__ import annotations

import hashlib
import math

import numpy as np
import pytest
import torch
from scipy.stats import binomtest, fisher_exact
from sionna.phy.channel import AWGN
from sionna.phy.fec.crc import CRCDecoder, CRCEncoder
from sionna.phy.fec.ldpc import LDPC5GDecoder, LDPC5GEncoder
from sionna.phy.mapping import Constellation, Demapper, Mapper

from channel.config import ChannelConfig
from channel.link.link import Link
from channel.link.outcome import PacketOutcome
from channel.phy.coding import ChainCache
from channel.phy.demapper import AxisDemapper
from channel.phy.mcs import mcs, transport_block
from channel.rng import draw_noise
from channel.snr import noise_variance
from shared.errors import ConfigError
from shared.validation import validate

PACKET_BYTES = 32


def direct_blocks(index):
    """Sionna's blocks for one packet size, put together here without the link's code."""
    scheme = mcs(index)
    k = 8 * PACKET_BYTES + 24
    n = math.ceil(k / scheme.rate / scheme.modulation_order) * scheme.modulation_order
    crc = CRCEncoder("CRC24A", device="cpu")
    encoder = LDPC5GEncoder(k, n, num_bits_per_symbol=scheme.modulation_order, device="cpu")
    decoder = LDPC5GDecoder(encoder, num_iter=20, device="cpu")
    mapper = Mapper("qam", scheme.modulation_order, device="cpu")
    demapper = Demapper("app", "qam", scheme.modulation_order, device="cpu")
    return crc, encoder, mapper, demapper, decoder, CRCDecoder(crc, device="cpu")


@pytest.mark.parametrize("eb_n0_db", [0.0, 3.0, 6.0])
def test_uncoded_qpsk_lies_within_the_binomial_interval_of_the_q_function(chains, eb_n0_db):
    chain = chains.chain(mcs(8), transport_block(PACKET_BYTES, mcs(8)), bp_iterations=20, device="cpu")
    variance = noise_variance(eb_n0_db + 10 * math.log10(2))
    bits = np.random.default_rng(3).integers(0, 2, (20, 20_000)).astype(np.float32)
    noise = torch.from_numpy(draw_noise(3, 0, range(20), 10_000, variance))
    with torch.inference_mode():
        llrs = chain.demap(chain.modulate(torch.from_numpy(bits)) + noise, torch.tensor(variance))
    errors = int(np.count_nonzero((llrs.numpy() > 0) != bits.astype(bool)))
    expected = 0.5 * math.erfc(math.sqrt(10 ** (eb_n0_db / 10)))  # Q(sqrt(2 Eb/N0))
    interval = binomtest(errors, bits.size).proportion_ci(0.999, method="exact")
    assert interval.low < expected < interval.high


@pytest.mark.parametrize(("index", "order"), [(8, 2), (13, 4), (20, 6)])
def test_symbols_have_unit_energy(chains, index, order):
    chain = chains.chain(mcs(index), transport_block(PACKET_BYTES, mcs(index)), bp_iterations=20, device="cpu")
    every_point = np.array([[(point >> bit) & 1 for bit in range(order)] for point in range(2**order)], np.float32)
    symbols = chain.modulate(torch.from_numpy(every_point))
    assert len(set(symbols.ravel().tolist())) == 2**order
    assert float(symbols.abs().square().mean()) == pytest.approx(1.0, rel=1e-6)


@pytest.mark.parametrize("order", [2, 4, 6])
@pytest.mark.parametrize("variance", [torch.tensor(0.05), torch.tensor(10.0), torch.rand(2, 900) + 0.01])
def test_llrs_are_those_of_sionnas_demapper(order, variance):
    points = Constellation("qam", order, device="cpu").points
    received = torch.from_numpy(draw_noise(3, 0, range(2), 900, 1.5))
    expected = Demapper("app", "qam", order, device="cpu")(received, variance)
    assert torch.allclose(AxisDemapper(points, "cpu")(received, variance), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(("index", "es_n0_db"), [(4, -2.0), (8, 2.0), (13, 6.5), (20, 12.0), (28, 19.0)])
def test_decisions_equal_those_of_sionnas_blocks_under_the_same_noise(chains, space_packet, index, es_n0_db):
    packets = [space_packet(PACKET_BYTES, seed) for seed in range(60)]
    config = validate(ChannelConfig, {"snr_db": es_n0_db, "mcs": index, "run_seed": 9})
    arrivals = Link(config, chains).transmit(packets, picture_index=4, first_index=100)

    crc, encoder, mapper, demapper, decoder, crc_check = direct_blocks(index)
    sent = np.stack([np.unpackbits(np.frombuffer(packet, np.uint8)) for packet in packets])
    variance = 10 ** (-es_n0_db / 10)
    with torch.inference_mode():
        symbols = mapper(encoder(crc(torch.from_numpy(sent).float())))
        noise = torch.from_numpy(draw_noise(9, 4, range(100, 160), symbols.shape[1], variance))
        bits, valid = crc_check(decoder(demapper(symbols + noise, torch.tensor(variance))))
    expected = [
        np.packbits(row.numpy().astype(np.uint8)).tobytes() if ok else None
        for row, ok in zip(bits, valid[:, 0], strict=True)
    ]
    assert [arrival.packet for arrival in arrivals] == expected
    assert {arrival.outcome for arrival in arrivals} == {PacketOutcome.DELIVERED, PacketOutcome.FEC_FAILED}


@pytest.mark.usefixtures("seeded_sionna")
def test_block_errors_agree_with_sionnas_own_awgn(chains, space_packet):
    index, es_n0_db, blocks = 8, 1.5, 400
    config = validate(ChannelConfig, {"snr_db": es_n0_db, "mcs": index, "run_seed": 5})
    arrivals = Link(config, chains).transmit(
        [space_packet(PACKET_BYTES, seed) for seed in range(blocks)], picture_index=0
    )
    ours = sum(arrival.outcome is PacketOutcome.FEC_FAILED for arrival in arrivals)

    crc, encoder, mapper, demapper, decoder, _ = direct_blocks(index)
    variance = torch.tensor(10 ** (-es_n0_db / 10))
    with torch.inference_mode():
        coded = crc(torch.from_numpy(np.random.default_rng(1).integers(0, 2, (blocks, 8 * PACKET_BYTES))).float())
        received = AWGN(device="cpu")(mapper(encoder(coded)), variance)
        theirs = int((decoder(demapper(received, variance)) != coded).any(dim=1).sum())
    assert 0.1 * blocks < theirs < 0.9 * blocks
    assert fisher_exact([[ours, blocks - ours], [theirs, blocks - theirs]]).pvalue > 1e-3


@pytest.mark.parametrize(
    ("index", "digest"),
    [
        (4, "dfbb89f710d954e253edd46f97fbd899a09bb616a4469bc8630cbf3458cbf32c"),
        (13, "a8bfc85f8187006a5c9f4f4a3be9611e8c09a457cef18de39342e80bca058534"),
        (28, "f909723cbc9d2b148b45a8ab10929e2c58c54b5168114d886bef3d34f9e85a37"),
    ],
)
def test_golden_codewords(chains, index, digest):
    block = transport_block(256, mcs(index))
    payload = np.arange(256, dtype=np.uint8)[None]
    coded = chains.chain(mcs(index), block, bp_iterations=20, device="cpu").encode(payload)
    packed = np.packbits(coded.numpy().astype(np.uint8)).tobytes()
    assert hashlib.sha256(packed).hexdigest() == digest


def test_the_cache_is_bounded_and_keeps_the_most_recently_used_chains():
    cache = ChainCache(max_chains=2)

    def chain(length):
        return cache.chain(mcs(8), transport_block(length, mcs(8)), bp_iterations=5, device="cpu")

    first = chain(8)
    chain(16)
    assert chain(8) is first
    chain(24)
    assert len(cache) == 2
    assert chain(8) is first


def test_a_missing_device_is_refused_by_name(space_packet):
    config = validate(ChannelConfig, {"snr_db": 3.0, "mcs": 8, "device": "cuda:99"})
    with pytest.raises(ConfigError, match=r"'cuda:99'.*take 'cpu'"):
        Link(config).transmit([space_packet(16)], picture_index=0)
