"""Polar5G against LDPC5G for the shortest packets, with the same bits in the same channel uses.

Both have the link's CRC-24A over the payload, so that undetected errors are equally rare. Polar5G adds its own CRC of
11 bits (TS 38.212, 6.3.1), which its list decoder with 8 paths uses. Both have the same noise, over AWGN. A packet
counts as failed unless every payload bit is right. p is the two-sided p-value of the exact sign test on the packets
that only one of the two codes lost (McNemar).

    python -m benchmarks.channel.short_codes
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from scipy.stats import binomtest
from sionna.phy.fec.polar import Polar5GDecoder, Polar5GEncoder

from benchmarks.common.arguments import make_parser
from benchmarks.common.report import TablePrinter
from channel.phy.capacity import required_es_n0_db
from channel.phy.coding import Chain
from channel.phy.mcs import mcs, transport_block
from channel.rng import draw_noise
from channel.snr import noise_variance

if TYPE_CHECKING:
    from numpy.typing import NDArray

PAYLOAD_BYTES = (8, 16, 24)
SCHEMES = (3, 8, 15)
OFFSETS_DB = (1.5, 2.5)  # above the normal approximation at BLER 1e-2, which has no CRC to pay for
LIST_SIZE = 8


@dataclass(frozen=True, slots=True)
class Comparison:
    """Which packets each code lost at one Es/N0, and the seconds of CPU that demapping and decoding took."""

    es_n0_db: float
    ldpc_failed: NDArray[np.bool_]
    polar_failed: NDArray[np.bool_]
    ldpc_s: float
    polar_s: float

    @property
    def p_value(self) -> float:
        """Two-sided p of the sign test on the packets that only one code lost."""
        only_ldpc = int(np.count_nonzero(self.ldpc_failed & ~self.polar_failed))
        only_polar = int(np.count_nonzero(self.polar_failed & ~self.ldpc_failed))
        return float(binomtest(only_ldpc, only_ldpc + only_polar).pvalue) if only_ldpc + only_polar else 1.0


def compare_codes(size: int, index: int, packets: int, offset_db: float) -> Comparison:
    """Send ``packets`` payloads of ``size`` bytes with both codes under the same noise."""
    scheme = mcs(index)
    block = transport_block(size, scheme)
    order = scheme.modulation_order
    chain = Chain(scheme, block, bp_iterations=20, device="cpu")
    polar = Polar5GEncoder(block.information_bits, block.coded_bits, device="cpu")
    decoder = Polar5GDecoder(polar, dec_type="SCL", list_size=LIST_SIZE, device="cpu")
    es_n0_db = required_es_n0_db(8 * size, block.channel_uses, 1e-2, order) + offset_db
    variance = noise_variance(es_n0_db)
    payloads = np.random.default_rng(size).integers(0, 256, (packets, size), dtype=np.uint8)
    noise = torch.from_numpy(draw_noise(1, size, range(packets), block.channel_uses, variance))
    bits = chain.add_crc(payloads)
    variance_tensor = torch.tensor(variance)
    with torch.inference_mode():
        started = time.process_time()
        decoded, valid = chain.decode(chain.demap(chain.modulate(chain.encode(payloads)) + noise, variance_tensor))
        ldpc_s = time.process_time() - started
        started = time.process_time()
        polar_bits = decoder(chain.demap(chain.modulate(polar(bits)) + noise, variance_tensor))
        polar_s = time.process_time() - started
    ldpc_failed = ~(valid & (decoded == payloads).all(axis=1))
    polar_failed = (polar_bits != bits).any(dim=1).numpy()
    return Comparison(es_n0_db, ldpc_failed, polar_failed, ldpc_s, polar_s)


def main() -> None:
    parser = make_parser(__doc__)
    parser.add_argument("--packets", type=int, default=2000, help="packets per point")
    parser.add_argument("--bytes", type=int, nargs="+", default=list(PAYLOAD_BYTES), help="payload sizes")
    parser.add_argument("--mcs", type=int, nargs="+", default=list(SCHEMES), help="schemes")
    options = parser.parse_args()
    blers, seconds = ("BLER LDPC5G", "BLER Polar5G"), ("s LDPC5G", "s Polar5G")
    table = TablePrinter("payload bytes", "MCS", "n", "Es/N0 dB", *blers, "p", *seconds)
    for size in options.bytes:
        for index in options.mcs:
            coded = transport_block(size, mcs(index)).coded_bits
            for offset_db in OFFSETS_DB:
                both = compare_codes(size, index, options.packets, offset_db)
                bler = f"{both.ldpc_failed.mean():.4f}", f"{both.polar_failed.mean():.4f}"
                seconds = f"{both.ldpc_s:.1f}", f"{both.polar_s:.1f}"
                table.add(size, index, coded, f"{both.es_n0_db:.2f}", *bler, f"{both.p_value:.1e}", *seconds)
    table.write(options.out)


if __name__ == "__main__":
    main()
