"""One picture through the whole link in one process.

::

    picture ─▶ encode ─▶ make_packets (sender/packets.py) ─▶ transmit ─▶ receive ─▶ decode ─▶ picture

The Python API, ``semlink send``, the sweep, ``semlink evaluate`` and the benchmarks call these steps; the three gRPC
services call the same functions below them.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, cast

from channel.link.link import Link
from channel.link.transmission import Transmission
from receiver.decoder_registry import DEFAULT_DECODER, LoadedDecoders, check_decoder, load_decoder
from receiver.decoders.base import DecodeOptions, options_for
from receiver.rebuild import Rebuilt, rebuild
from receiver.reception import Reception
from semlink.encoder_search.hci import PocketDecoderInTheLoop
from semlink.encoder_search.latent import PocketFeatureDistortion
from semlink.encoder_search.residual import PocketResidualCodes
from sender.encode import encode_picture
from sender.expected_loss import NO_LOSS, ExpectedLoss
from sender.extractors.extractors import Extractors
from shared.devices import check_device
from shared.lazy import Lazy

if TYPE_CHECKING:
    from collections.abc import Sequence

    from channel.config import ChannelConfig
    from channel.link.link import Arrival
    from channel.link.transmission import LinkReport
    from channel.phy.coding import ChainCache
    from receiver.decoders.base import Decoder
    from receiver.pocket.decoder import PocketDecoder
    from shared.bitstream import Bitstream
    from shared.codecs.recipe import Codec
    from shared.picture import Picture


@dataclass(frozen=True, slots=True)
class Transmitted:
    """The arrivals of one picture's packets, in the order in which their outcomes are known, and the totals."""

    arrivals: tuple[Arrival, ...]
    report: LinkReport


class Pipeline:
    """The link's models in one process. They load at their first use and stay loaded; several threads may call.

    Args:
        device: where decoders compute, ``cpu``, ``cuda``, ``mps`` ...; empty: CUDA where there is one.

    Raises:
        SetupError: this machine has no such device.
    """

    def __init__(self, device: str = "") -> None:
        check_device(device)
        self._transmitting = threading.Lock()  # codes that are built are shared, and not made for several threads
        self.chains: Lazy[ChainCache] = Lazy(_make_chain_cache)
        self._decoders = LoadedDecoders(partial(load_decoder, device=device))
        # Trials at the sender run the receiver's own decoder: one set of weights in memory.
        trials = cast("Lazy[PocketDecoder]", self._decoders.lazy(DEFAULT_DECODER))
        self._extractors = Extractors(
            PocketDecoderInTheLoop(trials),
            feature_distortion=PocketFeatureDistortion(trials),
            device=device,
            residual_codes=PocketResidualCodes(trials),
        )

    def encode(
        self,
        picture: Picture,
        codec: Codec,
        max_bytes: int = 0,
        caption: str | None = None,
        loss: ExpectedLoss = NO_LOSS,
        captioner: str = "",
    ) -> Bitstream:
        """Return the streams of ``picture`` whose container has at most ``max_bytes``; 0: the codec's default rate.

        ``caption`` replaces the captioner's sentence. A codec with parts prepares for ``loss``. ``captioner`` names the
        model profile whose captioner describes the picture; "": that which ships.

        Raises:
            BudgetError: not even the smallest encoding fits.
            ConfigError: a caption that the codec does not send, or that is too long; or a captioner for a codec that
                sends no words.
            UnknownNameError: there is no such profile.
            SetupError: weights are missing or damaged.
        """
        return encode_picture(picture, codec, self._extractors.of_profile(captioner, codec), max_bytes, caption, loss)

    def transmit(self, packets: Sequence[bytes], config: ChannelConfig, *, picture_index: int = 0) -> Transmitted:
        """Send ``packets`` over ``config``; noise follows from its run seed, the picture and the packet index.

        Raises:
            ConfigError, PacketError: as ``Link.transmit``.
        """
        chains = self.chains()
        with self._transmitting:
            return transmit(packets, config, picture_index=picture_index, chains=chains)

    def decoder(self, name: str = "") -> Decoder:
        """Return the decoder called ``name``, loaded; empty: the default one; a YAML file: that of its model profile.

        Raises:
            UnknownNameError, InputError, ConfigError: there is no such decoder.
            SetupError: its weights or the device are missing.
            LimitError: the memory of the device is too small.
        """
        check_decoder(name)
        return self._decoders.lazy(name)()

    def decode(self, bitstream: Bitstream, decoder: str = "", options: DecodeOptions | None = None) -> Rebuilt:
        """Return the picture that ``decoder`` makes of the streams of ``bitstream``, with its trust map.

        Raises:
            UnknownNameError, SetupError: as ``decoder``.
        """
        loaded = self.decoder(decoder)
        return rebuild(bitstream, loaded, options or options_for(loaded, trust=True))


def transmit(
    packets: Sequence[bytes], config: ChannelConfig, *, picture_index: int = 0, chains: ChainCache | None = None
) -> Transmitted:
    """Send ``packets`` over ``config``, as ``Pipeline.transmit``; ``chains`` are codes that are built already."""
    transmission = Transmission(Link(config, chains), picture_index)
    return Transmitted((*transmission.carry(packets), *transmission.finish()), transmission.report())


def receive(arrivals: Sequence[Arrival], *, picture_index: int = 0) -> Reception:
    """Return what the delivered packets among ``arrivals`` hold, repaired and put together in order of arrival."""
    reception = Reception(picture_index)
    for arrival in arrivals:
        if arrival.packet is not None:
            reception.push(arrival.packet)
    return reception


def _make_chain_cache() -> ChainCache:
    from channel.phy.coding import ChainCache  # noqa: PLC0415 - imports Sionna, seconds

    return ChainCache()
