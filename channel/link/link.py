"""Sends packets over the simulated physical layer and returns what arrives when, and what is lost.

::

    packet ─▶ transport block ─▶ CRC-24A ─▶ LDPC ─▶ QAM ─▶ channel model ─▶ demapper ─▶ LDPC decoder ─▶ CRC ─▶ packet
                                                     └─ erasure

CRC: cyclic redundancy check. LDPC: low-density parity check. QAM: quadrature amplitude modulation.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from channel.link.deadline import Delivery
from channel.link.outcome import PacketOutcome
from channel.phy.mcs import PAYLOAD_STEP_BYTES, Mcs, TransportBlock, prefers_polar, transport_block
from channel.propagation.base import PacketKeys
from channel.propagation.factory import build_channel_model
from channel.propagation.impairments import apply_impairments
from channel.propagation.snr_estimator import ObservedChannel
from channel.propagation.timing import schedule_packets
from channel.rng import is_erased
from channel.snr import noise_variance
from shared.errors import ConfigError, PacketError
from shared.packets import SHORTEST_SPACE_PACKET_BYTES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from channel.config import ChannelConfig
    from channel.phy.coding import Chain, ChainCache
    from channel.propagation.base import ChannelModel
    from channel.propagation.snr_estimator import SnrEstimator

_LENGTH_FIELD: Final = slice(4, 6)  # CCSDS 133.0-B-2, 4.1.3.5: bytes of the data field less one
_INDEX_LIMIT: Final = 2**64


@dataclass(frozen=True, slots=True)
class Arrival:
    """The transmission of one packet: ``packet`` holds its bytes if it was delivered; times are simulated seconds.

    ``arrival_s`` is when the packet arrived, would have arrived, or expired.
    """

    index: int
    outcome: PacketOutcome
    packet: bytes | None
    packet_bytes: int
    channel_uses: int
    departure_s: float
    air_time_s: float
    arrival_s: float

    @property
    def settled_s(self) -> float:
        """When the packet's outcome is settled."""
        return self.arrival_s


class Link:
    """A one-way link under one configuration.

    ``chains`` may be shared by many links, so that a new transmission finds its codes built. ``estimator`` measures the
    signal-to-noise ratio of what is transmitted.

    Raises:
        ConfigError: the configured device is not on this machine (by ``transmit``).
    """

    def __init__(
        self, config: ChannelConfig, chains: ChainCache | None = None, estimator: SnrEstimator | None = None
    ) -> None:
        self.config = config
        self._chains = chains
        self._estimator = estimator
        self._model: ChannelModel | None = None

    def transmit(
        self, packets: Sequence[bytes], *, picture_index: int, first_index: int = 0, uses_before: int = 0
    ) -> list[Arrival]:
        """Send ``packets`` one after another and return their arrivals in the same order.

        Packet ``i`` has index ``first_index + i``. Its noise, fading and losses depend on that index, the picture index
        and the run seed alone. The first packet departs after ``uses_before`` channel uses of packets before it.

        Raises:
            ConfigError: a packet is longer than its scheme carries, or an index is not an unsigned 64-bit integer.
            PacketError: a packet is not one complete Space Packet.
        """
        _check_indices(picture_index, first_index, len(packets))
        for packet in packets:
            _check_packet(packet)
        config = self.config
        codes = [(scheme := config.scheme_of(packet), transport_block(len(packet), scheme)) for packet in packets]
        uses = [config.propagation.channel_uses(block.channel_uses) for _, block in codes]
        times = schedule_packets(
            uses,
            symbol_rate_hz=config.symbol_rate_hz,
            propagation_delay_s=config.propagation_delay_s,
            uses_before=uses_before,
        )
        impaired = apply_impairments(
            config.impairments,
            times,
            run_seed=config.run_seed,
            picture_index=picture_index,
            first_index=first_index,
        )
        lost = [one.lost for one in impaired]
        departures_s = [timing.departure_s for timing in times]
        received = self._send_over_physical_layer(packets, codes, lost, departures_s, picture_index, first_index)
        lifetime_s = math.inf if config.lifetime_s is None else config.lifetime_s
        deliveries = [
            Delivery(first_index + position, one.arrival_s, on_arrival, timing.departure_s + lifetime_s)
            for position, (one, (on_arrival, _), timing) in enumerate(zip(impaired, received, times, strict=True))
        ]
        return [
            Arrival(
                index=delivery.index,
                outcome=delivery.outcome,
                packet=data if delivery.outcome is PacketOutcome.DELIVERED else None,
                packet_bytes=len(packets[position]),
                channel_uses=uses[position],
                departure_s=times[position].departure_s,
                air_time_s=times[position].air_time_s,
                arrival_s=delivery.settled_s,
            )
            for position, (delivery, (_, data)) in enumerate(zip(deliveries, received, strict=True))
        ]

    def _send_over_physical_layer(
        self,
        packets: Sequence[bytes],
        codes: Sequence[tuple[Mcs, TransportBlock]],
        lost: Sequence[bool],
        departures_s: Sequence[float],
        picture_index: int,
        first_index: int,
    ) -> list[tuple[PacketOutcome, bytes | None]]:
        """Return each packet's outcome on arrival and, if delivered, its bytes; packets in ``lost`` are erased."""
        config = self.config
        results: list[tuple[PacketOutcome, bytes | None]] = [(PacketOutcome.ERASED, None)] * len(packets)
        positions_of: dict[tuple[Mcs, TransportBlock], list[int]] = {}
        for position, code in enumerate(codes):
            if not lost[position] and not is_erased(
                config.run_seed, picture_index, first_index + position, config.erasure_rate
            ):
                positions_of.setdefault(code, []).append(position)
        for code, positions in positions_of.items():
            chain = self._find_chain(*code)
            step = min(config.batch_size, chain.batch_limit)
            for start in range(0, len(positions), step):
                batch = positions[start : start + step]
                keys = PacketKeys(
                    config.run_seed,
                    picture_index,
                    [first_index + position for position in batch],
                    [departures_s[position] for position in batch],
                )
                received = self._send_batch(chain, [packets[position] for position in batch], keys)
                for position, packet in zip(batch, received, strict=True):
                    outcome = PacketOutcome.FEC_FAILED if packet is None else PacketOutcome.DELIVERED
                    results[position] = outcome, packet
        return results

    def _send_batch(self, chain: Chain, packets: Sequence[bytes], keys: PacketKeys) -> list[bytes | None]:
        """Return what the receiver decodes of ``packets``, all of the size of ``chain``: their bytes, or None."""
        payloads = np.zeros((len(packets), chain.block.payload_bytes), dtype=np.uint8)
        for row, packet in zip(payloads, packets, strict=True):
            row[: len(packet)] = np.frombuffer(packet, dtype=np.uint8)
        decoded = zip(*chain.transmit(payloads, self._find_model(), keys), strict=True)
        return [_extract_packet(payload.tobytes()) if crc_holds else None for payload, crc_holds in decoded]

    def _find_model(self) -> ChannelModel:
        if self._model is None:
            config = self.config
            model = build_channel_model(config.propagation, noise_variance(config.es_n0_db), config.symbol_rate_hz)
            self._model = model if self._estimator is None else ObservedChannel(model, self._estimator)
        return self._model

    def _find_chain(self, scheme: Mcs, block: TransportBlock) -> Chain:
        if self._chains is None:
            from channel.phy.coding import ChainCache  # noqa: PLC0415 - imports Sionna, seconds

            self._chains = ChainCache()
        return self._chains.chain(
            scheme,
            block,
            bp_iterations=self.config.max_bp_iterations,
            device=self.config.device,
            polar=self.config.short_packet_code == "polar" and prefers_polar(scheme, block),
        )


def _check_indices(picture_index: int, first_index: int, packets: int) -> None:
    if not (0 <= picture_index < _INDEX_LIMIT and 0 <= first_index <= _INDEX_LIMIT - packets):
        raise ConfigError(
            f"picture index {picture_index} and packet indices from {first_index} must be unsigned 64-bit integers"
        )


def _packet_length(data: bytes) -> int:
    """Return the length that the Space Packet at the start of ``data`` states for itself."""
    return int.from_bytes(data[_LENGTH_FIELD], "big") + SHORTEST_SPACE_PACKET_BYTES


def _check_packet(packet: bytes) -> None:
    if len(packet) < SHORTEST_SPACE_PACKET_BYTES:
        problem = "are too short for a Space Packet"
    elif _packet_length(packet) != len(packet):
        problem = f"whose header states {_packet_length(packet)} are not one Space Packet"
    else:
        return
    raise PacketError(f"{len(packet)} bytes {problem}: send each packet complete and on its own")


def _extract_packet(payload: bytes) -> bytes | None:
    """Return the packet at the start of a padded payload; None if its length does not fit a payload of this size."""
    length = _packet_length(payload)
    padding = len(payload) - length
    fits = 0 <= padding < PAYLOAD_STEP_BYTES and not any(payload[length:])
    return payload[:length] if fits else None
