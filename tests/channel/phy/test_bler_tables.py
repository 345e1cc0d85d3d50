"""The link's code against the BLER tables that Sionna publishes (sionna/sys/bler_tables, TS 38.214 table 5.1.3.1-1)."""

from __future__ import annotations

import json
import math
from importlib.resources import files

import numpy as np
import pytest

from channel.phy.coding import Chain
from channel.phy.mcs import CRC_BITS, TransportBlock, mcs
from channel.propagation.awgn import AwgnChannel
from channel.propagation.base import PacketKeys
from channel.snr import noise_variance

BLOCKS = 400
TABLE_BLOCKS = 900
"""Fewest blocks behind a value of the table that is far from 0 and 1, going by its denominators; it does not say."""


def published(index: int, information_bits: int) -> tuple[float, float]:
    """Return the Es/N0 in dB and the BLER of the table's point that is nearest to one half."""
    text = (files("sionna.sys") / "bler_tables" / "PDSCH_table1.json").read_text(encoding="utf-8")
    row = json.loads(text)["category"]["1"]["index"]["1"]["MCS"][str(index)]
    points = zip(row["SNR_db"], row["CBS"][str(information_bits)]["BLER"], strict=True)
    return min(points, key=lambda point: abs(point[1] - 0.5))


@pytest.mark.slow
@pytest.mark.parametrize(("index", "information_bits"), [(8, 1000), (8, 2000), (13, 1000), (25, 1000), (27, 2000)])
def test_block_error_rates_are_those_of_the_published_tables(index: int, information_bits: int) -> None:
    es_n0_db, bler = published(index, information_bits)
    assert 0.05 < bler < 0.95
    scheme = mcs(index)
    uses = -(-information_bits * 1024 // (scheme.rate_x1024 * scheme.modulation_order))
    payload_bytes = (information_bits - CRC_BITS) // 8
    block = TransportBlock(payload_bytes, information_bits, uses * scheme.modulation_order, uses)
    chain = Chain(scheme, block, bp_iterations=20, device="cpu")
    payloads = np.random.default_rng(1).integers(0, 256, (BLOCKS, payload_bytes), dtype=np.uint8)
    failed = 0
    for start in range(0, BLOCKS, chain.batch_limit):
        batch = payloads[start : start + chain.batch_limit]
        keys = PacketKeys(1, 0, range(start, start + len(batch)))
        received, crc_holds = chain.transmit(batch, AwgnChannel(noise_variance(es_n0_db)), keys)
        failed += int((~(crc_holds & (received == batch).all(axis=1))).sum())
    spread = math.sqrt(bler * (1 - bler) * (1 / BLOCKS + 1 / TABLE_BLOCKS))
    assert abs(failed / BLOCKS - bler) < 3.3 * spread  # 99.9 % of a normal
