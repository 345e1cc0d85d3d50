"""Sends packets over the simulated physical layer: what arrives, when, and what is lost to what.

::

    packet ─▶ transport block ─▶ CRC-24A ─▶ LDPC ─▶ QAM ─▶ medium ─▶ demapper ─▶ LDPC decoder ─▶ CRC ─▶ packet
                                                     └─ erasure
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING

import numpy as np

from channel.clock import passages
from channel.mcs import MIN_PACKET_BYTES, PAYLOAD_STEP_BYTES, TransportBlock, polar_pays, transport_block
from channel.noise import is_erased
from shared.errors import ConfigError, PacketError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from channel.config import ChannelConfig
    from channel.medium import Medium
    from channel.phy import Chain, ChainCache

_LENGTH_FIELD = slice(4, 6)  # CCSDS 133.0-B-2, 4.1.3.5: bytes of the data field less one
_INDEX_LIMIT = 2**64


class Fate(IntEnum):
    """What became of a packet. Every packet has exactly one fate; the numbers are those of the wire contract."""

    DELIVERED = 1
    FEC_FAILED = 2
    ERASED = 3


@dataclass(frozen=True, slots=True)
class Arrival:
    """One packet's passage: ``packet`` holds its bytes only if delivered; times are simulated seconds."""

    index: int
    fate: Fate
    packet: bytes | None
    packet_bytes: int
    channel_uses: int
    departure_s: float
    air_time_s: float
    arrival_s: float


@dataclass(frozen=True, slots=True)
class LinkReport:
    """Totals of one transmission.

    ``information_bits`` are those of all packets before coding; ``coded_bits`` went on air;
    ``spectral_efficiency`` is delivered information bits per channel use.
    """

    packets: int
    delivered: int
    fec_failed: int
    erased: int
    channel_uses: int
    information_bits: int
    coded_bits: int
    es_n0_db: float
    eb_n0_db: float
    spectral_efficiency: float
    last_arrival_s: float


class Link:
    """A one-way link under one configuration.

    ``chains`` may be shared by many links, so that a new transmission finds its codes built.

    Raises:
        ConfigError: the configured device is not on this machine (by ``transmit``).
    """

    def __init__(self, config: ChannelConfig, chains: ChainCache | None = None) -> None:
        self.config = config
        self._scheme = config.scheme
        self._chains = chains
        self._medium: Medium | None = None

    def transmit(
        self, packets: Sequence[bytes], *, picture_index: int, first_index: int = 0, start_s: float = 0.0
    ) -> list[Arrival]:
        """Send ``packets`` one after another from ``start_s`` on and return their arrivals in the same order.

        Packet ``i`` has index ``first_index + i``, and its noise and fading follow from that, the picture index and the
        run seed alone.

        Raises:
            ConfigError: a packet longer than the scheme carries, or an index that is no unsigned 64-bit integer.
            PacketError: a packet that is not one whole Space Packet.
        """
        if not (0 <= picture_index < _INDEX_LIMIT and 0 <= first_index <= _INDEX_LIMIT - len(packets)):
            raise ConfigError(
                f"picture index {picture_index} and packet indices from {first_index} must be unsigned 64-bit integers"
            )
        for packet in packets:
            _check_packet(packet)
        blocks = [transport_block(len(packet), self._scheme) for packet in packets]
        uses = [self.config.propagation.channel_uses(block.channel_uses) for block in blocks]
        times = passages(
            uses,
            symbol_rate_hz=self.config.symbol_rate_hz,
            propagation_delay_s=self.config.propagation_delay_s,
            start_s=start_s,
        )
        outcomes = self._outcomes(packets, blocks, picture_index, first_index)
        return [
            Arrival(
                index=first_index + position,
                fate=fate,
                packet=received,
                packet_bytes=len(packets[position]),
                channel_uses=uses[position],
                departure_s=times[position].departure_s,
                air_time_s=times[position].air_time_s,
                arrival_s=times[position].arrival_s,
            )
            for position, (fate, received) in enumerate(outcomes)
        ]

    def _outcomes(
        self, packets: Sequence[bytes], blocks: Sequence[TransportBlock], picture_index: int, first_index: int
    ) -> list[tuple[Fate, bytes | None]]:
        """Return each packet's fate and, if delivered, its bytes."""
        config = self.config
        outcomes: list[tuple[Fate, bytes | None]] = [(Fate.ERASED, None)] * len(packets)
        positions_of: dict[TransportBlock, list[int]] = {}
        for position, block in enumerate(blocks):
            if not is_erased(config.run_seed, picture_index, first_index + position, config.erasure_rate):
                positions_of.setdefault(block, []).append(position)
        for block, positions in positions_of.items():
            chain = self._chain(block)
            step = min(config.batch_size, chain.batch_limit)
            for start in range(0, len(positions), step):
                batch = positions[start : start + step]
                received = self._received(
                    chain,
                    [packets[position] for position in batch],
                    picture_index,
                    [first_index + position for position in batch],
                )
                for position, packet in zip(batch, received, strict=True):
                    outcomes[position] = (Fate.FEC_FAILED if packet is None else Fate.DELIVERED, packet)
        return outcomes

    def _received(
        self, chain: Chain, packets: Sequence[bytes], picture_index: int, packet_indices: Sequence[int]
    ) -> list[bytes | None]:
        """Return what the receiver makes of ``packets``, all of the size of ``chain``: their bytes, or None."""
        from channel.medium import PacketKeys, medium  # noqa: PLC0415 - imports torch, seconds

        self._medium = self._medium or medium(self.config)
        payloads = np.zeros((len(packets), chain.block.payload_bytes), dtype=np.uint8)
        for row, packet in zip(payloads, packets, strict=True):
            row[: len(packet)] = np.frombuffer(packet, dtype=np.uint8)
        keys = PacketKeys(self.config.run_seed, picture_index, packet_indices)
        decoded = zip(*chain.received(payloads, self._medium, keys), strict=True)
        return [_packet_in(payload.tobytes()) if crc_holds else None for payload, crc_holds in decoded]

    def _chain(self, block: TransportBlock) -> Chain:
        if self._chains is None:
            from channel.phy import ChainCache  # noqa: PLC0415 - imports Sionna, seconds

            self._chains = ChainCache()
        return self._chains.chain(
            self._scheme,
            block,
            bp_iterations=self.config.max_bp_iterations,
            device=self.config.device,
            polar=self.config.short_packet_code == "polar" and polar_pays(self._scheme, block),
        )


def link_report(config: ChannelConfig, arrivals: Iterable[Arrival]) -> LinkReport:
    """Return the totals of the ``arrivals`` of one transmission under ``config``."""
    arrivals = list(arrivals)
    fates = [arrival.fate for arrival in arrivals]
    channel_uses = sum(arrival.channel_uses for arrival in arrivals)
    delivered_bits = sum(8 * arrival.packet_bytes for arrival in arrivals if arrival.fate is Fate.DELIVERED)
    return LinkReport(
        packets=len(arrivals),
        delivered=fates.count(Fate.DELIVERED),
        fec_failed=fates.count(Fate.FEC_FAILED),
        erased=fates.count(Fate.ERASED),
        channel_uses=channel_uses,
        information_bits=sum(8 * arrival.packet_bytes for arrival in arrivals),
        coded_bits=sum(transport_block(arrival.packet_bytes, config.scheme).coded_bits for arrival in arrivals),
        es_n0_db=config.es_n0_db,
        eb_n0_db=config.eb_n0_db,
        spectral_efficiency=delivered_bits / channel_uses if channel_uses else 0.0,
        last_arrival_s=max((arrival.arrival_s for arrival in arrivals), default=0.0),
    )


def _packet_length(data: bytes) -> int:
    """Return the length that the Space Packet at the start of ``data`` states for itself."""
    return int.from_bytes(data[_LENGTH_FIELD], "big") + MIN_PACKET_BYTES


def _check_packet(packet: bytes) -> None:
    if len(packet) < MIN_PACKET_BYTES or _packet_length(packet) != len(packet):
        stated = f"whose header states {_packet_length(packet)}" if len(packet) >= MIN_PACKET_BYTES else "is too short"
        raise PacketError(f"{len(packet)} bytes {stated} are not one Space Packet: send each packet whole and alone")


def _packet_in(payload: bytes) -> bytes | None:
    """Return the packet at the start of a padded payload, None where it cannot have been sent in one of this size."""
    length = _packet_length(payload)
    padding = len(payload) - length
    whole = 0 <= padding < PAYLOAD_STEP_BYTES and not any(payload[length:])
    return payload[:length] if whole else None
