"""Information bits per second of ``Link.transmit`` against the bare Sionna blocks, in one run.

The bare blocks are called as Sionna's own tutorials do: one batch of random bits through CRC, LDPC, mapper, AWGN,
demapper, decoder and CRC check. ``Link.transmit`` does the same for Space Packets given as bytes, with noise keyed by
packet, in batches that fit the cache, and stops decoding where the CRC already holds. The rows far below the code's
threshold are there because nothing stops early in them.

    python -m benchmarks.phy_throughput [--json] [--threads N]
"""

from __future__ import annotations

import argparse
import json
import time
from typing import TYPE_CHECKING

import numpy as np
import torch
from sionna.phy.channel import AWGN
from sionna.phy.fec.crc import CRCDecoder, CRCEncoder
from sionna.phy.fec.ldpc import LDPC5GDecoder, LDPC5GEncoder
from sionna.phy.mapping import Demapper, Mapper

from channel.config import ChannelConfig, noise_variance
from channel.link import Link
from channel.mcs import mcs, transport_block
from shared.validation import checked

if TYPE_CHECKING:
    from collections.abc import Callable

PACKET_BYTES = 256
ITERATIONS = 20
CASES = ((4, 0.0), (8, 4.0), (8, -10.0), (13, 8.0), (20, 15.0), (28, 22.0), (28, 0.0))  # (MCS, Es/N0 in dB)
BATCHES = (1, 256)


def bare_sionna(index: int, es_n0_db: float, batch: int) -> Callable[[], None]:
    """Return a function that sends one batch of random bits through Sionna's blocks."""
    scheme = mcs(index)
    block = transport_block(PACKET_BYTES, scheme)
    payload_bits = 8 * block.payload_bytes
    order = scheme.modulation_order
    crc = CRCEncoder("CRC24A", k=payload_bits, device="cpu")
    encoder = LDPC5GEncoder(block.information_bits, block.coded_bits, num_bits_per_symbol=order, device="cpu")
    mapper = Mapper("qam", order, device="cpu")
    awgn = AWGN(device="cpu")
    demapper = Demapper("app", "qam", order, device="cpu")
    decoder = LDPC5GDecoder(encoder, num_iter=ITERATIONS, device="cpu")
    crc_check = CRCDecoder(crc, device="cpu")
    variance = torch.tensor(noise_variance(es_n0_db))
    bits = torch.randint(0, 2, (batch, payload_bits)).float()

    def send() -> None:
        with torch.inference_mode():
            crc_check(decoder(demapper(awgn(mapper(encoder(crc(bits))), variance), variance)))

    return send


def link(index: int, es_n0_db: float, batch: int) -> Callable[[], None]:
    """Return a function that sends one batch of random packets through ``Link.transmit``."""
    config = checked(ChannelConfig, {"snr_db": es_n0_db, "mcs": index, "max_bp_iterations": ITERATIONS})
    sender = Link(config)
    header = bytes([8, 1, 0xC0, 0]) + (PACKET_BYTES - 7).to_bytes(2, "big")
    random = np.random.default_rng(0)
    packets = [header + random.bytes(PACKET_BYTES - len(header)) for _ in range(batch)]

    def send() -> None:
        sender.transmit(packets, picture_index=0)

    return send


def best_seconds(send: Callable[[], None], at_least_s: float) -> float:
    """Return the shortest of several runs that together take ``at_least_s``, two at the least after a warm-up."""
    send()
    times: list[float] = []
    while len(times) < 2 or sum(times) < at_least_s:
        start = time.perf_counter()
        send()
        times.append(time.perf_counter() - start)
    return min(times)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print one JSON object per row instead of the table")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads(), help="torch threads")
    parser.add_argument("--seconds", type=float, default=1.0, help="least time per measurement")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    if not options.json:
        print(f"{PACKET_BYTES}-byte packets, {ITERATIONS} iterations, {options.threads} threads, kbit/s of packet bits")
        print(f"{'MCS':>3} {'Es/N0 dB':>8} {'batch':>5} {'bare':>8} {'link':>8} {'link/bare':>9}")
    for index, es_n0_db in CASES:
        for batch in BATCHES:
            kilobits = 8 * PACKET_BYTES * batch / 1000
            bare_kbps = kilobits / best_seconds(bare_sionna(index, es_n0_db, batch), options.seconds)
            link_kbps = kilobits / best_seconds(link(index, es_n0_db, batch), options.seconds)
            row = {"mcs": index, "es_n0_db": es_n0_db, "batch": batch, "bare_kbps": bare_kbps, "link_kbps": link_kbps}
            if options.json:
                print(json.dumps(row | {"threads": options.threads, "packet_bytes": PACKET_BYTES}), flush=True)
            else:
                ratio = link_kbps / bare_kbps
                print(f"{index:3} {es_n0_db:8.1f} {batch:5} {bare_kbps:8.1f} {link_kbps:8.1f} {ratio:9.2f}", flush=True)


if __name__ == "__main__":
    main()
