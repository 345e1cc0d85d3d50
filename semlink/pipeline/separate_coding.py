"""Separate source and channel coding, to compare the link with at equal channel uses; see ``docs/comparison.md``.

A classical codec fills the bytes that a channel code leaves in so many channel uses. Three channel codes::

    avif+ldpc:mcs=8    one MCS whatever the SNR: a cliff
    avif+ldpc:best     the fastest MCS that brings the whole file across: a staircase
    avif+ideal         a code that achieves capacity: what no channel code passes

A file that misses a packet does not decode; the picture is then one colour, the original's mean, which the receiver
is given for nothing.
"""

from __future__ import annotations

import hashlib
import math
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal

import numpy as np

from channel.link.loss_model import packet_loss
from channel.phy.capacity import awgn_capacity
from channel.phy.mcs import MCS_INDICES, Mcs, mcs
from channel.phy.outage import outage_capacity
from channel.propagation.kinds import Awgn, Rayleigh, Rician
from semlink.pipeline.channel_uses import (
    PACKET_BYTES,
    check_channel_uses,
    packet_lengths,
    packet_uses,
    payload_within,
)
from semlink.pipeline.coding_spec import BASELINES, baseline_named
from semlink.pipeline.pipeline import receive, transmit
from sender.packets import make_packets
from shared.bitstream import Bitstream, PictureHeader
from shared.errors import BudgetError, ConfigError, UnknownNameError
from shared.streams import Stream, StreamKind

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from channel.config import ChannelConfig
    from channel.link.accounting import Account
    from channel.link.outcome import Fate
    from channel.phy.coding import ChainCache
    from semlink.evaluate.codec import EvaluatedCodec

WHOLE_SHARE: Final = 0.9
"""Of the pictures, ``best`` and under fading ``ideal`` mean to bring so many across whole."""
_FADES_AT_ONCE: Final = 1 << 18
_SPEC: Final = re.compile(r"([a-z0-9-]+)\+(?:ldpc:(?:mcs=(\d{1,3})|(best))|(ideal))")


@dataclass(frozen=True, slots=True)
class SeparateCoding:
    """A classical codec and a channel code; ``mcs_index`` is there for ``fixed`` alone."""

    name: str
    codec: str
    code: Literal["fixed", "best", "ideal"]
    mcs_index: int = 0


@dataclass(frozen=True, slots=True)
class SeparatelyCoded:
    """What came of one picture.

    ``pixels`` ``[H, W, 3]`` uint8: the decoded file if it came ``whole``, else the original's mean colour, and
    ``reason`` says why. ``channel_uses`` are those that were paid for. ``mcs_index`` and ``account`` are None for the
    ideal code, which has no packets, and the account where nothing was sent; ``fates`` counts packets by what they met.
    """

    pixels: NDArray[np.uint8]
    whole: bool
    reason: str
    file_bytes: int
    channel_uses: int
    mcs_index: int | None = None
    account: Account | None = None
    fates: Mapping[Fate, int] = field(default_factory=dict)


@dataclass(slots=True)
class Files:
    """Files that were made before, by codec, picture and budget: runs that share them encode once."""

    _codecs: dict[str, EvaluatedCodec] = field(default_factory=dict)
    _made: dict[tuple[str, bytes, int], bytes | None] = field(default_factory=dict)

    def codec(self, name: str) -> EvaluatedCodec:
        """Return the classical codec called ``name``.

        Raises:
            UnknownNameError: there is none.
            SetupError: it needs something that is not installed.
        """
        if name not in self._codecs:
            codec = baseline_named(name)
            if codec is None:
                raise UnknownNameError(f"unknown classical codec '{name}'; known are {', '.join(BASELINES)}")
            self._codecs[name] = codec
        return self._codecs[name]

    def encoded(self, name: str, pixels: NDArray[np.uint8], budget_bytes: int) -> bytes | None:
        """Return the best file within ``budget_bytes``, None where nothing fits; as ``codec``."""
        key = (name, hashlib.sha256(pixels.tobytes()).digest(), budget_bytes)
        if key not in self._made:
            try:
                self._made[key] = self.codec(name).encode(pixels, budget_bytes) if budget_bytes > 0 else None
            except BudgetError:
                self._made[key] = None
        return self._made[key]


def separate_coding(text: str) -> SeparateCoding:
    """Return what ``text`` asks for, such as ``avif+ldpc:mcs=8``, ``avif+ldpc:best`` or ``avif+ideal``.

    Raises:
        ConfigError: it is written otherwise.
        UnknownNameError: there is no such codec or MCS.
    """
    found = _SPEC.fullmatch(text)
    if found is None:
        raise ConfigError(f"separate coding '{text}': write CODEC+ldpc:mcs=8, CODEC+ldpc:best or CODEC+ideal")
    codec, index, best, _ = found.groups()
    if codec not in BASELINES:
        raise UnknownNameError(f"unknown classical codec '{codec}' in {text}; known are {', '.join(BASELINES)}")
    if index is not None:
        return SeparateCoding(text, codec, "fixed", mcs(int(index)).index)
    return SeparateCoding(text, codec, "best" if best else "ideal")


def separately_coded(
    pixels: NDArray[np.uint8],
    coding: SeparateCoding,
    config: ChannelConfig,
    *,
    channel_uses: int,
    picture_index: int = 0,
    chains: ChainCache | None = None,
    files: Files | None = None,
) -> SeparatelyCoded:
    """Send ``pixels`` ``[H, W, 3]`` uint8 as a classical file over ``config`` within ``channel_uses``.

    ``config`` gives SNR, propagation, losses and seed; its own MCS does not count. Under an LDPC code the file travels
    in the link's own packets and transport blocks, without repair, and meets all that they meet. The ideal code holds
    ``channel_uses`` · R / 8 bytes: over AWGN R is the capacity and nothing is ever lost; under block fading R is the
    rate that one code word over all of the picture's fades carries but for a share 1 - ``WHOLE_SHARE``, and the file is
    lost where the capacity over the fades of this picture is less. It pays no packets and meets no other losses.
    Without a coherence time each packet of the link meets a fade of its own; the code word then meets as many as the
    channel uses hold packets of ``PACKET_BYTES`` under the fastest MCS: no code that goes by packets meets more.

    Raises:
        ConfigError: ``channel_uses`` is out of range, ``best`` at an Eb/N0, or ``ideal`` where no capacity is known.
        UnknownNameError, SetupError: as ``Files.codec``.
    """
    check_channel_uses(channel_uses)
    files = files or Files()
    if coding.code == "ideal":
        return _ideal(pixels, coding, config, channel_uses, picture_index, files)
    scheme = mcs(coding.mcs_index) if coding.code == "fixed" else best_mcs(channel_uses, config)
    data = files.encoded(coding.codec, pixels, payload_within(channel_uses, scheme, config))
    if data is None:
        return _lost(pixels, f"{channel_uses} channel uses at MCS {scheme.index} hold no file", 0, 0, scheme.index)
    height, width = pixels.shape[:2]
    bitstream = Bitstream(PictureHeader(width, height), (Stream(StreamKind.HCI, data),))
    own = config.model_copy(update={"mcs": scheme.index, "stream_mcs": {}})
    sent = transmit(make_packets(bitstream).all, own, picture_index=picture_index, chains=chains)
    received = receive(sent.arrivals).bitstream()
    account = sent.report.account
    uses = account.total.channel_uses
    if received is None or not received.streams:
        return _lost(pixels, "the file missed a packet", len(data), uses, scheme.index, account, sent.report.fates)
    decoded = files.codec(coding.codec).decode(received.streams[0].payload, width, height)
    return SeparatelyCoded(decoded, True, "", len(data), uses, scheme.index, account, sent.report.fates)


def best_mcs(channel_uses: int, config: ChannelConfig) -> Mcs:
    """Return the fastest MCS whose file arrives whole with probability ``WHOLE_SHARE`` (``channel.link.loss_model``).

    Where none does, the one whose file most probably arrives.

    Raises:
        ConfigError: ``channel_uses`` is out of range or more than a file takes at the fastest MCS, or the SNR is an
            Eb/N0.
    """
    if config.snr_kind != "esn0":
        raise ConfigError("the best MCS needs snr_kind esn0: at one Eb/N0 each MCS has another SNR")
    shares = {}
    for scheme in map(mcs, reversed(MCS_INDICES)):  # the fastest first: what is too much for a file fails there
        packets = len(packet_lengths(payload_within(channel_uses, scheme, config)))
        shares[scheme] = (1 - packet_loss(config, scheme, PACKET_BYTES)) ** packets
    enough = [scheme for scheme, share in shares.items() if share >= WHOLE_SHARE]
    if enough:
        return max(enough, key=lambda scheme: scheme.spectral_efficiency)
    return max(shares, key=lambda scheme: (shares[scheme], -scheme.spectral_efficiency))


def ideal_rate(config: ChannelConfig, channel_uses: int) -> float:
    """Return the rate of the ideal code in bits per channel use; see ``separately_coded``.

    Raises:
        ConfigError: the propagation is neither AWGN nor Rayleigh or Rician block fading.
    """
    propagation = config.propagation
    if isinstance(propagation, Awgn):
        return awgn_capacity(config.es_n0_db)
    if not isinstance(propagation, Rayleigh | Rician):
        raise ConfigError(f"the ideal code knows awgn, rayleigh and rician, not {propagation.kind}; take one of them")
    return outage_capacity(config.es_n0_db, propagation.k_ratio, _fades(config, channel_uses), 1 - WHOLE_SHARE)


def mean_colour(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return a picture of the size of ``pixels`` ``[H, W, 3]`` in their mean colour: what a lost file leaves."""
    mean = pixels.reshape(-1, pixels.shape[2]).mean(axis=0).round().astype(np.uint8)
    return np.broadcast_to(mean, pixels.shape).copy()


def _ideal(
    pixels: NDArray[np.uint8],
    coding: SeparateCoding,
    config: ChannelConfig,
    channel_uses: int,
    picture_index: int,
    files: Files,
) -> SeparatelyCoded:
    rate = ideal_rate(config, channel_uses)
    data = files.encoded(coding.codec, pixels, int(channel_uses * rate / 8))
    if data is None:
        return _lost(pixels, f"{channel_uses} channel uses at {rate:.3g} bits each hold no file", 0, 0)
    if _capacity_met(config, channel_uses, picture_index) < rate:
        return _lost(pixels, "outage: the fades of this picture carry less", len(data), channel_uses)
    height, width = pixels.shape[:2]
    decoded = files.codec(coding.codec).decode(data, width, height)
    return SeparatelyCoded(decoded, True, "", len(data), channel_uses)


def _fades(config: ChannelConfig, channel_uses: int) -> float:
    """Return how many fades a code word over ``channel_uses`` meets, a last shorter one as a fraction."""
    propagation = config.propagation
    if isinstance(propagation, Rayleigh | Rician) and propagation.coherence_symbols is None:
        return max(1.0, channel_uses / packet_uses(PACKET_BYTES, mcs(MCS_INDICES[-1]), config))
    return propagation.fades(channel_uses)


def _capacity_met(config: ChannelConfig, channel_uses: int, picture_index: int) -> float:
    """Return the capacity over the fades that this picture meets, drawn by the key of its first packet."""
    propagation = config.propagation
    if isinstance(propagation, Awgn):
        return awgn_capacity(config.es_n0_db)
    from channel.propagation.fading import draw_fading  # noqa: PLC0415 - imports torch, seconds

    fades, snr = _fades(config, channel_uses), 10 ** (config.es_n0_db / 10)
    drawn = draw_fading(config.run_seed, picture_index, [0], math.ceil(fades), k_ratio=propagation.k_ratio)[0]

    def capacities(part: NDArray[np.complex64]) -> NDArray[np.float64]:
        return np.asarray(np.log2(1 + np.square(np.abs(part.astype(np.complex128))) * snr))

    parts = (drawn[start : start + _FADES_AT_ONCE] for start in range(0, len(drawn), _FADES_AT_ONCE))
    total = math.fsum(float(capacities(part).sum()) for part in parts)
    return (total - (len(drawn) - fades) * float(capacities(drawn[-1:])[0])) / fades


def _lost(
    pixels: NDArray[np.uint8],
    reason: str,
    file_bytes: int,
    channel_uses: int,
    mcs_index: int | None = None,
    account: Account | None = None,
    fates: Mapping[Fate, int] | None = None,
) -> SeparatelyCoded:
    colour = mean_colour(pixels)
    return SeparatelyCoded(colour, False, reason, file_bytes, channel_uses, mcs_index, account, fates or {})
