"""Sends packets over the simulated physical layer: what arrives, when, and what is lost to what.

::

    packet ─▶ transport block ─▶ CRC-24A ─▶ LDPC ─▶ QAM ─▶ medium ─▶ demapper ─▶ LDPC decoder ─▶ CRC ─▶ packet
                                                     └─ erasure
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from channel.link.outcome import Fate, Flight
from channel.phy.mcs import PAYLOAD_STEP_BYTES, Mcs, TransportBlock, polar_pays, transport_block
from channel.propagation.base import PacketKeys
from channel.propagation.factory import build_channel_model
from channel.propagation.impairments import impaired
from channel.propagation.snr_estimator import ObservedChannel
from channel.propagation.timing import passages
from channel.rng import is_erased
from channel.snr import noise_variance
from shared.errors import ConfigError, PacketError
from shared.packets import SHORTEST_SPACE_PACKET_BYTES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from channel.config import ChannelConfig
    from channel.phy.coding import Chain, ChainCache
    from channel.propagation.base import ChannelModel
    from channel.propagation.snr_estimator import SnrMeter

_LENGTH_FIELD = slice(4, 6)  # CCSDS 133.0-B-2, 4.1.3.5: bytes of the data field less one
_INDEX_LIMIT = 2**64


@dataclass(frozen=True, slots=True)
class Arrival:
    """One packet's passage: ``packet`` holds its bytes only if delivered; times are simulated seconds.

    ``arrival_s`` is when the packet arrived, would have arrived, or expired.
    """

    index: int
    fate: Fate
    packet: bytes | None
    packet_bytes: int
    channel_uses: int
    departure_s: float
    air_time_s: float
    arrival_s: float

    @property
    def end_s(self) -> float:
        """When the packet's fate is settled."""
        return self.arrival_s


class Link:
    """A one-way link under one configuration.

    ``chains`` may be shared by many links, so that a new transmission finds its codes built; ``meter`` measures the
    signal-to-noise ratio of what is transmitted.

    Raises:
        ConfigError: the configured device is not on this machine (by ``transmit``).
    """

    def __init__(self, config: ChannelConfig, chains: ChainCache | None = None, meter: SnrMeter | None = None) -> None:
        self.config = config
        self._chains = chains
        self._meter = meter
        self._model: ChannelModel | None = None

    def transmit(
        self, packets: Sequence[bytes], *, picture_index: int, first_index: int = 0, uses_before: int = 0
    ) -> list[Arrival]:
        """Send ``packets`` one after another and return their arrivals in the same order.

        Packet ``i`` has index ``first_index + i``, and its noise, fading and losses follow from that, the picture index
        and the run seed alone. The first one departs after ``uses_before`` channel uses of those before it.

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
        schemes = [self.config.scheme_of(packet) for packet in packets]
        blocks = [transport_block(len(packet), scheme) for packet, scheme in zip(packets, schemes, strict=True)]
        uses = [self.config.propagation.channel_uses(block.channel_uses) for block in blocks]
        times = passages(
            uses,
            symbol_rate_hz=self.config.symbol_rate_hz,
            propagation_delay_s=self.config.propagation_delay_s,
            uses_before=uses_before,
        )
        befallen = impaired(
            self.config.impairments,
            times,
            run_seed=self.config.run_seed,
            picture_index=picture_index,
            first_index=first_index,
        )
        lost = [one.lost for one in befallen]
        outcomes = self._outcomes(packets, list(zip(schemes, blocks, strict=True)), lost, picture_index, first_index)
        lifetime_s = math.inf if self.config.lifetime_s is None else self.config.lifetime_s
        arrivals = []
        for position, (outcome, received) in enumerate(outcomes):
            departure_s = times[position].departure_s
            flight = Flight(
                first_index + position, befallen[position].arrival_s, outcome, deadline_s=departure_s + lifetime_s
            )
            arrivals.append(
                Arrival(
                    index=flight.index,
                    fate=flight.fate,
                    packet=received if flight.fate is Fate.DELIVERED else None,
                    packet_bytes=len(packets[position]),
                    channel_uses=uses[position],
                    departure_s=departure_s,
                    air_time_s=times[position].air_time_s,
                    arrival_s=flight.end_s,
                )
            )
        return arrivals

    def _outcomes(
        self,
        packets: Sequence[bytes],
        codes: Sequence[tuple[Mcs, TransportBlock]],
        lost: Sequence[bool],
        picture_index: int,
        first_index: int,
    ) -> list[tuple[Fate, bytes | None]]:
        """Return what each packet's arrival brings and, if it is delivered, its bytes; those ``lost`` are erased."""
        config = self.config
        outcomes: list[tuple[Fate, bytes | None]] = [(Fate.ERASED, None)] * len(packets)
        positions_of: dict[tuple[Mcs, TransportBlock], list[int]] = {}
        for position, code in enumerate(codes):
            if not lost[position] and not is_erased(
                config.run_seed, picture_index, first_index + position, config.erasure_rate
            ):
                positions_of.setdefault(code, []).append(position)
        for code, positions in positions_of.items():
            chain = self._chain(*code)
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
        if self._model is None:
            config = self.config
            model = build_channel_model(config.propagation, noise_variance(config.es_n0_db), config.symbol_rate_hz)
            self._model = model if self._meter is None else ObservedChannel(model, self._meter)
        payloads = np.zeros((len(packets), chain.block.payload_bytes), dtype=np.uint8)
        for row, packet in zip(payloads, packets, strict=True):
            row[: len(packet)] = np.frombuffer(packet, dtype=np.uint8)
        keys = PacketKeys(self.config.run_seed, picture_index, packet_indices)
        decoded = zip(*chain.transmit(payloads, self._model, keys), strict=True)
        return [_packet_in(payload.tobytes()) if crc_holds else None for payload, crc_holds in decoded]

    def _chain(self, scheme: Mcs, block: TransportBlock) -> Chain:
        if self._chains is None:
            from channel.phy.coding import ChainCache  # noqa: PLC0415 - imports Sionna, seconds

            self._chains = ChainCache()
        return self._chains.chain(
            scheme,
            block,
            bp_iterations=self.config.max_bp_iterations,
            device=self.config.device,
            polar=self.config.short_packet_code == "polar" and polar_pays(scheme, block),
        )


def _packet_length(data: bytes) -> int:
    """Return the length that the Space Packet at the start of ``data`` states for itself."""
    return int.from_bytes(data[_LENGTH_FIELD], "big") + SHORTEST_SPACE_PACKET_BYTES


def _check_packet(packet: bytes) -> None:
    if len(packet) < SHORTEST_SPACE_PACKET_BYTES or _packet_length(packet) != len(packet):
        stated = (
            f"whose header states {_packet_length(packet)}"
            if len(packet) >= SHORTEST_SPACE_PACKET_BYTES
            else "is too short"
        )
        raise PacketError(f"{len(packet)} bytes {stated} are not one Space Packet: send each packet whole and alone")


def _packet_in(payload: bytes) -> bytes | None:
    """Return the packet at the start of a padded payload, None where it cannot have been sent in one of this size."""
    length = _packet_length(payload)
    padding = len(payload) - length
    whole = 0 <= padding < PAYLOAD_STEP_BYTES and not any(payload[length:])
    return payload[:length] if whole else None
