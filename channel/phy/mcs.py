"""Modulation and coding schemes (MCS), and the transport block of one packet under one of them.

The schemes are rows of 3GPP TS 38.214 table 5.1.3.1-1 under the standard's own indices. Rows 0 to 2 (R < 1/5) are
missing: the lower base graph of TS 38.212 ends at R = 1/5. Below that rate the standard repeats coded bits, which
Sionna's ``LDPC5GEncoder`` does not do. Nothing here imports torch.
"""

from __future__ import annotations

from dataclasses import dataclass

from shared.errors import ConfigError, UnknownNameError
from shared.packets import MAX_PACKET_BYTES

CRC_BITS = 24  # CRC-24A of TS 38.212, section 5.1
PAYLOAD_STEP_BYTES = 8  # payloads are padded to multiples of this, so that few codes have to be built

# Sionna encodes a transport block as one code block. Above 3,824 bits TS 38.212 uses base graph 1, which ends at
# R = 1/3. Below that rate the standard repeats (R > 1/4) or segments (R <= 1/4); Sionna's encoder does neither.
_LARGEST_LOW_RATE_BITS = 3824
_LOW_RATE = 1 / 3

# Here the Polar code of TS 38.212 loses measurably fewer packets than LDPC at equal rate; see docs/radio.md.
_POLAR_MAX_PAYLOAD_BYTES = 8
_POLAR_MAX_INDEX = 8

# Index: (modulation order Qm, target code rate R x 1024). A test compares them with Sionna's decode_mcs_index, whose
# import takes seconds that checks before a transmission do not have.
_TABLE_5_1_3_1_1 = {
    3: (2, 251),
    4: (2, 308),
    5: (2, 379),
    6: (2, 449),
    7: (2, 526),
    8: (2, 602),
    9: (2, 679),
    10: (4, 340),
    11: (4, 378),
    12: (4, 434),
    13: (4, 490),
    14: (4, 553),
    15: (4, 616),
    16: (4, 658),
    17: (6, 438),
    18: (6, 466),
    19: (6, 517),
    20: (6, 567),
    21: (6, 616),
    22: (6, 666),
    23: (6, 719),
    24: (6, 772),
    25: (6, 822),
    26: (6, 873),
    27: (6, 910),
    28: (6, 948),
}

MCS_INDICES = tuple(_TABLE_5_1_3_1_1)


@dataclass(frozen=True, slots=True)
class Mcs:
    """One row of TS 38.214 table 5.1.3.1-1."""

    index: int
    modulation_order: int
    rate_x1024: int

    @property
    def modulation(self) -> str:
        """The constellation's name: QPSK, 16QAM or 64QAM."""
        return {2: "QPSK", 4: "16QAM", 6: "64QAM"}[self.modulation_order]

    @property
    def rate(self) -> float:
        """Nominal code rate R."""
        return self.rate_x1024 / 1024

    @property
    def spectral_efficiency(self) -> float:
        """Information bits per complex symbol, Qm · R, before CRC and padding."""
        return self.modulation_order * self.rate

    @property
    def max_packet_bytes(self) -> int:
        """Largest packet that fits into one code block at this rate."""
        if self.rate >= _LOW_RATE:
            return MAX_PACKET_BYTES
        return (_LARGEST_LOW_RATE_BITS - CRC_BITS) // 8 // PAYLOAD_STEP_BYTES * PAYLOAD_STEP_BYTES


@dataclass(frozen=True, slots=True)
class TransportBlock:
    """The sizes of one packet in the physical layer.

    ``information_bits`` (k of the LDPC code) are the padded payload and its CRC-24A; ``coded_bits`` (n) fill
    ``channel_uses`` complex symbols exactly (on an OFDM grid the packet takes more: pilots, guards, cyclic prefixes).
    """

    payload_bytes: int
    information_bits: int
    coded_bits: int
    channel_uses: int


def mcs(index: int) -> Mcs:
    """Return row ``index`` of TS 38.214 table 5.1.3.1-1.

    Raises:
        UnknownNameError: there is no such row, or the LDPC encoder does not support it.
    """
    if index not in _TABLE_5_1_3_1_1:
        raise UnknownNameError(
            f"MCS {index!r} is not on this link: take {MCS_INDICES[0]} (most robust) to {MCS_INDICES[-1]} (fastest)"
        )
    order, rate_x1024 = _TABLE_5_1_3_1_1[index]
    return Mcs(index, order, rate_x1024)


def transport_block(packet_bytes: int, scheme: Mcs) -> TransportBlock:
    """Return the transport block of a packet of ``packet_bytes`` bytes.

    Rate matching: n = ceil(k / (R · Qm)) · Qm, so that the code rate never exceeds the nominal one.

    Raises:
        ConfigError: the packet is longer than one code block of ``scheme`` carries.
    """
    if packet_bytes > scheme.max_packet_bytes:
        raise ConfigError(
            f"a packet of {packet_bytes} bytes is too long for MCS {scheme.index}, which carries at most "
            f"{scheme.max_packet_bytes}: make the packets smaller"
            + ("" if scheme.rate >= _LOW_RATE else " or take an MCS of rate 1/3 or more")
        )
    payload_bytes = -(-packet_bytes // PAYLOAD_STEP_BYTES) * PAYLOAD_STEP_BYTES
    information_bits = 8 * payload_bytes + CRC_BITS
    channel_uses = -(-information_bits * 1024 // (scheme.rate_x1024 * scheme.modulation_order))
    return TransportBlock(payload_bytes, information_bits, channel_uses * scheme.modulation_order, channel_uses)


def prefers_polar(scheme: Mcs, block: TransportBlock) -> bool:
    """Return whether ``block`` fails less often with the Polar code than with LDPC: the shortest packets on QPSK."""
    return block.payload_bytes <= _POLAR_MAX_PAYLOAD_BYTES and scheme.index <= _POLAR_MAX_INDEX
