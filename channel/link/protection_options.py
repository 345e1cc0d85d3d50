"""The options to protect the streams of a picture: what each costs in channel uses, and how likely a stream is lost.

An option is a modulation and coding scheme (MCS) and a number of repair packets. Losses are predicted
(``channel.link.loss_model``). Packets are lost independently, or under continuous fading together
(``channel.link.correlated_losses``). A stream of K source packets is complete if any K of its source and repair packets
arrive; the rare failures of RaptorQ with just K packets are not modelled.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from channel.checks import check_in_range
from channel.link.channel_uses import packet_uses
from channel.link.correlated_losses import more_lost_than, predict_loss_correlation
from channel.link.loss_model import predict_packet_loss
from channel.phy.mcs import MCS_INDICES, Mcs, mcs
from shared.errors import ConfigError
from shared.packets import MAX_PACKET_BYTES, MAX_SEGMENTS, SHORTEST_SPACE_PACKET_BYTES
from shared.repair.encoder import MAX_OVERHEAD, plan_repair
from shared.repair.packet import MAX_REPAIR_PACKETS, MAX_SOURCE_PACKETS, repair_packet_bytes
from shared.streams import StreamKind

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from channel.config import ChannelConfig


@dataclass(frozen=True, slots=True)
class SchemeOptions:
    """One stream under one scheme, with 0, 1, 2, ... repair packets of its own.

    ``source_uses`` are the channel uses of all source packets, ``repair_packet_uses`` those of one repair packet (0 if
    there is only the option without repair). ``loss_probability`` ``[options]``: the stream is not complete.
    ``packet_loss`` is the probability that one packet is lost, ``loss_correlation`` ``[options]`` the correlation of
    the losses of two packets.
    """

    scheme: Mcs
    source_uses: int
    repair_packet_uses: int
    loss_probability: NDArray[np.float64]
    packet_loss: float
    loss_correlation: NDArray[np.float64]

    @property
    def channel_uses(self) -> NDArray[np.int64]:
        """Channel uses ``[options]`` of source and repair packets together."""
        return self.source_uses + self.repair_packet_uses * np.arange(len(self.loss_probability), dtype=np.int64)


@dataclass(frozen=True, slots=True)
class StreamOptions:
    """The options of one stream of ``source_packets`` packets: every scheme that carries it, by ascending MCS."""

    source_packets: int
    schemes: tuple[SchemeOptions, ...]


def predict_stream_options(lengths: Sequence[int], config: ChannelConfig, max_repair_overhead: float) -> StreamOptions:
    """Return the options of a stream whose source packets have ``lengths`` bytes.

    There are at most ``max_repair_overhead`` repair packets per source packet, within the limits of a repaired object.

    Raises:
        ConfigError: there is no packet or too many, a length or the overhead is outside its range, or ``config`` states
            an Eb/N0, at which every scheme has a different Es/N0.
    """
    check_in_range("max_repair_overhead", max_repair_overhead, 0, MAX_OVERHEAD)
    check_lengths(lengths)
    check_snr_kind(config)
    most = _max_repair_packets(lengths, max_repair_overhead)
    needed = min(MAX_PACKET_BYTES, repair_packet_bytes(max(lengths), len(StreamKind)))
    schemes = (scheme for scheme in map(mcs, MCS_INDICES) if scheme.max_packet_bytes >= needed)
    return StreamOptions(
        len(lengths), tuple(predict_scheme_options(lengths, scheme, most, config) for scheme in schemes)
    )


def predict_scheme_options(
    lengths: Sequence[int], scheme: Mcs, max_repair_packets: int, config: ChannelConfig
) -> SchemeOptions:
    """Return the options of a stream under ``scheme`` with 0 to ``max_repair_packets`` repair packets.

    Raises:
        ConfigError: a source or repair packet is longer than ``scheme`` carries.
    """
    repairs = np.arange(max_repair_packets + 1)
    longest = max(lengths)
    lost = predict_packet_loss(config, scheme, longest)
    correlation = predict_loss_correlation(config, scheme, longest, len(lengths) + repairs)
    return SchemeOptions(
        scheme,
        source_uses=sum(packet_uses(size, scheme, config) * count for size, count in Counter(lengths).items()),
        repair_packet_uses=packet_uses(repair_packet_bytes(longest, 1), scheme, config) if max_repair_packets else 0,
        loss_probability=more_lost_than(repairs, len(lengths), lost, correlation),
        packet_loss=lost,
        loss_correlation=correlation,
    )


def predict_channel_uses(
    lengths: Mapping[StreamKind, Sequence[int]], config: ChannelConfig, overheads: Mapping[StreamKind, float]
) -> int:
    """Return the channel uses of a picture over ``config`` as it is, from the lengths of its source packets by stream.

    ``overheads`` are those of the profile. Repair packets are included: streams of equal overhead form one object,
    whose repair packets use the most robust scheme of these streams.

    Raises:
        ConfigError: a packet is longer than its scheme carries.
    """
    total = sum(
        packet_uses(size, config.stream_scheme(kind), config) * count
        for kind, sizes in lengths.items()
        for size, count in Counter(sizes).items()
    )
    counts = {kind: len(sizes) for kind, sizes in lengths.items()}
    for kinds, repair_packets in plan_repair(counts, {int(kind): ratio for kind, ratio in overheads.items()}):
        longest = max(max(lengths[kind]) for kind in kinds)
        scheme = min(map(config.stream_scheme, kinds), key=lambda scheme: scheme.spectral_efficiency)
        total += repair_packets * packet_uses(repair_packet_bytes(longest, len(kinds)), scheme, config)
    return total


def check_lengths(lengths: Sequence[int]) -> None:
    """Check the lengths of the source packets of one stream.

    Raises:
        ConfigError: there is no packet or too many, or a length is outside its range.
    """
    if not 1 <= len(lengths) <= MAX_SEGMENTS:
        raise ConfigError(f"{len(lengths)} packets in a stream: give 1 to {MAX_SEGMENTS}")
    for length in (min(lengths), max(lengths)):
        check_in_range("packet_bytes", length, SHORTEST_SPACE_PACKET_BYTES, MAX_PACKET_BYTES)


def check_snr_kind(config: ChannelConfig) -> None:
    """Check that the channel states Es/N0.

    Raises:
        ConfigError: it states Eb/N0.
    """
    if config.snr_kind != "esn0":
        raise ConfigError("predicted losses need snr_kind esn0: at a fixed Eb/N0 each MCS has a different Es/N0")


def _max_repair_packets(lengths: Sequence[int], max_repair_overhead: float) -> int:
    """Return the most repair packets of one stream; one repaired object and its packets have their limits."""
    if len(lengths) > MAX_SOURCE_PACKETS or repair_packet_bytes(max(lengths), 1) > MAX_PACKET_BYTES:
        return 0
    return min(MAX_REPAIR_PACKETS, math.floor(max_repair_overhead * len(lengths)))
