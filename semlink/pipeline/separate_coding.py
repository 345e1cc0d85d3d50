"""Separate source and channel coding: a classical file at equal channel uses; see ``docs/comparison.md``.

The classical codec makes the largest file that the channel code can carry in the given channel uses::

    avif+ldpc:mcs=8    one MCS at every SNR: quality falls off a cliff
    avif+ldpc:best     the fastest MCS that delivers the complete file: quality climbs in steps
    avif+ideal         a code that achieves capacity: an upper bound for every channel code

A file that misses a packet does not decode. The picture is then a single colour, the original's mean, which the
receiver gets at no cost.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import numpy as np

from channel.link.channel_uses import packet_uses
from channel.link.protection_options import predict_scheme_options
from channel.phy.capacity import awgn_capacity
from channel.phy.mcs import MCS_INDICES, Mcs, mcs
from channel.phy.outage import outage_capacity
from channel.propagation.kinds import Awgn, Rayleigh, Rician
from semlink.baselines.registry import BASELINES, load_baseline
from semlink.pipeline.channel_uses import (
    check_channel_uses,
    max_payload_bytes,
    packet_lengths,
)
from semlink.pipeline.coding_spec import ChannelCode
from semlink.pipeline.pipeline import receive, transmit
from sender.packets import make_packets
from shared.bitstream import Bitstream, PictureHeader
from shared.errors import BudgetError, ConfigError
from shared.packets import DEFAULT_PACKET_BYTES
from shared.streams import Stream, StreamKind

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from channel.config import ChannelConfig
    from channel.link.accounting import CostBreakdown
    from channel.link.outcome import PacketOutcome
    from channel.phy.coding import ChainCache
    from semlink.baselines.codec import PictureCodec
    from semlink.pipeline.coding_spec import CodingSpec

TARGET_DELIVERY: Final = 0.9
"""Probability of a complete file that ``best``, and under fading ``ideal``, aim at."""
_FADES_AT_ONCE: Final = 1 << 18


@dataclass(frozen=True, slots=True)
class FileTransmission:
    """Result of sending one picture as one file.

    Args:
        pixels: ``[H, W, 3]`` uint8: the decoded file if it is ``complete``, else the original's mean colour.
        complete: whether the file arrived complete and was decoded.
        reason: why it was not; empty if it was.
        file_bytes: size of the file, 0 if no file fits.
        channel_uses: complex symbols spent.
        mcs_index: row of the MCS table; None for the ideal code, which has no packets.
        cost: cost by purpose; None for the ideal code and where nothing was sent.
        packet_outcomes: number of packets by outcome.
    """

    pixels: NDArray[np.uint8]
    complete: bool
    reason: str
    file_bytes: int
    channel_uses: int
    mcs_index: int | None = None
    cost: CostBreakdown | None = None
    packet_outcomes: Mapping[PacketOutcome, int] = field(default_factory=dict)


@dataclass(slots=True)
class FileCache:
    """Files by codec, picture and budget. Transmissions that share a cache encode each file once."""

    _codecs: dict[str, PictureCodec] = field(default_factory=dict)
    _files: dict[tuple[str, bytes, int], bytes | None] = field(default_factory=dict)

    def codec(self, name: str) -> PictureCodec:
        """Return the classical codec called ``name``.

        Raises:
            UnknownNameError, SetupError: as ``load_baseline``.
        """
        if name not in self._codecs:
            self._codecs[name] = load_baseline(name)
        return self._codecs[name]

    def encode(self, name: str, pixels: NDArray[np.uint8], max_bytes: int) -> bytes | None:
        """Return the best file within ``max_bytes``, None if no file fits.

        Raises:
            UnknownNameError, SetupError: as ``codec``.
        """
        key = (name, hashlib.sha256(pixels.tobytes()).digest(), max_bytes)
        if key not in self._files:
            try:
                self._files[key] = self.codec(name).encode(pixels, max_bytes) if max_bytes > 0 else None
            except BudgetError:
                self._files[key] = None
        return self._files[key]


def send_file(
    pixels: NDArray[np.uint8],
    spec: CodingSpec,
    config: ChannelConfig,
    *,
    channel_uses: int,
    picture_index: int = 0,
    chains: ChainCache | None = None,
    files: FileCache | None = None,
) -> FileTransmission:
    """Send ``pixels`` ``[H, W, 3]`` uint8 as a classical file over ``config`` within ``channel_uses``.

    Under an LDPC code the file travels in the link's own packets and transport blocks, without repair, and is subject
    to the same losses. The MCS is that of ``config``, or the one that ``spec`` names or asks to choose.

    The ideal code holds ``channel_uses`` · R / 8 bytes. Over AWGN, R is the capacity and nothing is lost. Under block
    fading, one code word spans all fades of the picture; R is the capacity over these fades that is exceeded with
    probability ``TARGET_DELIVERY``. The file is lost if the fades drawn for this picture have less capacity. The ideal
    code spends nothing on packets and is subject to no other losses. Continuous
    fading has a fade for each half wavelength of movement. Under independent fading without a coherence time each
    packet of the link has a fade of its own, and the code word as many as the channel uses hold packets of 256 bytes
    under the fastest MCS; no packet-based code has more.

    Raises:
        ConfigError: ``spec`` is not of a classical codec, ``channel_uses`` is out of range, ``best`` at an Eb/N0, or
            ``ideal`` where no capacity is known.
        SetupError: the codec needs something that is not installed.
    """
    check_channel_uses(channel_uses)
    if not spec.is_classical:
        raise ConfigError(f"{spec.name}: separate coding needs a classical codec: {', '.join(BASELINES)}")
    files = files or FileCache()
    if spec.channel_code is ChannelCode.IDEAL:
        return _send_ideally(pixels, spec, config, channel_uses, picture_index, files)
    scheme = _choose_scheme(spec, config, channel_uses)
    data = files.encode(spec.codec, pixels, max_payload_bytes(channel_uses, scheme, config))
    if data is None:
        return _lose(pixels, f"{channel_uses} channel uses at MCS {scheme.index} hold no file", 0, 0, scheme.index)
    height, width = pixels.shape[:2]
    bitstream = Bitstream(PictureHeader(width, height), (Stream(StreamKind.HCI, data),))
    file_config = config.model_copy(update={"mcs": scheme.index, "stream_mcs": {}})
    sent = transmit(make_packets(bitstream).all, file_config, picture_index=picture_index, chains=chains)
    received = receive(sent.arrivals).bitstream()
    cost = sent.report.cost
    uses = cost.total.channel_uses
    if received is None or not received.streams:
        return _lose(pixels, "a packet of the file was lost", len(data), uses, scheme.index, cost, sent.report.outcomes)
    decoded = files.codec(spec.codec).decode(received.streams[0].payload, width, height)
    return FileTransmission(decoded, True, "", len(data), uses, scheme.index, cost, sent.report.outcomes)


def choose_best_mcs(channel_uses: int, config: ChannelConfig) -> Mcs:
    """Return the fastest MCS whose file arrives complete with probability ``TARGET_DELIVERY``.

    The probability is predicted by ``channel.link.loss_model``. If no MCS reaches it, the most reliable one is
    returned.

    Raises:
        ConfigError: ``channel_uses`` is out of range, the fastest MCS would make the file larger than a bitstream
            may be, or the SNR is an Eb/N0.
    """
    if config.snr_kind != "esn0":
        raise ConfigError("the best MCS needs snr_kind esn0: at one Eb/N0 each MCS has another SNR")
    delivery = {}
    for scheme in map(mcs, reversed(MCS_INDICES)):  # the fastest first: it is the one that exceeds the largest file
        packets = len(packet_lengths(max_payload_bytes(channel_uses, scheme, config)))
        options = predict_scheme_options([DEFAULT_PACKET_BYTES] * packets, scheme, 0, config)
        delivery[scheme] = 1 - float(options.loss_probability[0])
    reliable = [scheme for scheme, probability in delivery.items() if probability >= TARGET_DELIVERY]
    if reliable:
        return max(reliable, key=lambda scheme: scheme.spectral_efficiency)
    return max(delivery, key=lambda scheme: (delivery[scheme], -scheme.spectral_efficiency))


def ideal_rate(config: ChannelConfig, channel_uses: int) -> float:
    """Return the rate of the ideal code in bits per channel use; see ``send_file``.

    Raises:
        ConfigError: the propagation is neither AWGN nor Rayleigh or Rician block fading.
    """
    propagation = config.propagation
    if isinstance(propagation, Awgn):
        return awgn_capacity(config.es_n0_db)
    if not isinstance(propagation, Rayleigh | Rician):
        raise ConfigError(f"the ideal code needs awgn, rayleigh or rician, not {propagation.kind}; use one of them")
    fades = _count_fades(config, channel_uses)
    return outage_capacity(config.es_n0_db, propagation.k_ratio, fades, 1 - TARGET_DELIVERY)


def mean_colour(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return ``[H, W, 3]``, the mean colour of ``pixels`` ``[H, W, 3]`` everywhere. It stands in for a lost picture."""
    mean = pixels.reshape(-1, pixels.shape[2]).mean(axis=0).round().astype(np.uint8)
    return np.broadcast_to(mean, pixels.shape).copy()


def _choose_scheme(spec: CodingSpec, config: ChannelConfig, channel_uses: int) -> Mcs:
    if spec.channel_code is ChannelCode.BEST:
        return choose_best_mcs(channel_uses, config)
    return config.scheme if spec.mcs_index is None else mcs(spec.mcs_index)


def _send_ideally(
    pixels: NDArray[np.uint8],
    spec: CodingSpec,
    config: ChannelConfig,
    channel_uses: int,
    picture_index: int,
    files: FileCache,
) -> FileTransmission:
    rate = ideal_rate(config, channel_uses)
    data = files.encode(spec.codec, pixels, int(channel_uses * rate / 8))
    if data is None:
        return _lose(pixels, f"{channel_uses} channel uses at {rate:.3g} bits each hold no file", 0, 0)
    if _draw_capacity(config, channel_uses, picture_index) < rate:
        return _lose(pixels, "outage: the fades of this picture have less capacity", len(data), channel_uses)
    height, width = pixels.shape[:2]
    decoded = files.codec(spec.codec).decode(data, width, height)
    return FileTransmission(decoded, True, "", len(data), channel_uses)


def _count_fades(config: ChannelConfig, channel_uses: int) -> float:
    """Return the number of fades that a code word of ``channel_uses`` spans; a last, shorter one is a fraction."""
    propagation = config.propagation
    if not isinstance(propagation, Rayleigh | Rician) or propagation.coherence_symbols is not None:
        return propagation.fades(channel_uses)
    if propagation.fading == "continuous":  # fades that are half a wavelength apart hardly depend on each other
        return max(1.0, 2 * propagation.max_doppler_hz * channel_uses / config.symbol_rate_hz)
    return max(1.0, channel_uses / packet_uses(DEFAULT_PACKET_BYTES, mcs(MCS_INDICES[-1]), config))


def _draw_capacity(config: ChannelConfig, channel_uses: int, picture_index: int) -> float:
    """Return the capacity over the fades of this picture, drawn with the key of its first packet."""
    propagation = config.propagation
    if isinstance(propagation, Awgn):
        return awgn_capacity(config.es_n0_db)
    from channel.propagation.fading import draw_fading  # noqa: PLC0415 - imports torch, seconds

    fades, snr = _count_fades(config, channel_uses), 10 ** (config.es_n0_db / 10)
    drawn = draw_fading(config.run_seed, picture_index, [0], math.ceil(fades), k_ratio=propagation.k_ratio)[0]

    def capacities(part: NDArray[np.complex64]) -> NDArray[np.float64]:
        return np.asarray(np.log2(1 + np.square(np.abs(part.astype(np.complex128))) * snr))

    parts = (drawn[start : start + _FADES_AT_ONCE] for start in range(0, len(drawn), _FADES_AT_ONCE))
    total = math.fsum(float(capacities(part).sum()) for part in parts)
    return (total - (len(drawn) - fades) * float(capacities(drawn[-1:])[0])) / fades


def _lose(
    pixels: NDArray[np.uint8],
    reason: str,
    file_bytes: int,
    channel_uses: int,
    mcs_index: int | None = None,
    cost: CostBreakdown | None = None,
    packet_outcomes: Mapping[PacketOutcome, int] | None = None,
) -> FileTransmission:
    colour = mean_colour(pixels)
    return FileTransmission(colour, False, reason, file_bytes, channel_uses, mcs_index, cost, packet_outcomes or {})
