"""From whole streams to a picture: guidance, the interface of every decoder, and the plain up-sampling baseline."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol

from shared.caption.coder import decode_caption
from shared.errors import BitstreamError, ConfigError, UnknownNameError
from shared.hci.stream import decode_hci, upsample
from shared.latent.coder import decode_latent
from shared.regions.coder import decode_regions
from shared.streams import StreamKind
from shared.tokens.stream import decode_tokens
from shared.torch_imports import TORCH_IMPORTS

if TYPE_CHECKING:
    from collections.abc import Callable
    from threading import Event

    import numpy as np
    from numpy.typing import NDArray

    from shared.bitstream import Bitstream, PictureHeader
    from shared.hci.stream import HciImage
    from shared.latent.coder import LatentChannels
    from shared.regions.region import Region
    from shared.tokens.stream import Tokens

MAX_STEPS: Final = 4


@dataclass(frozen=True, slots=True)
class Guidance:
    """What the received streams say about one picture; a stream that is lost or damaged is None.

    ``damaged`` names the streams that came whole but do not decode.
    """

    header: PictureHeader
    hci: HciImage | None = None
    caption: str | None = None
    tokens: Tokens | None = None
    latent: LatentChannels | None = None
    regions: tuple[Region, ...] | None = None
    damaged: tuple[StreamKind, ...] = ()

    @property
    def is_empty(self) -> bool:
        """Whether nothing is known of the picture but its size."""
        return all(one is None for one in (self.hci, self.caption, self.tokens, self.latent, self.regions))


@dataclass(frozen=True, slots=True)
class DecodeOptions:
    """What a caller may choose.

    Args:
        steps: steps of the flow, 1 to 4; 0 leaves the flow out.
        fidelity: how far the picture is pulled back to what was received, 0 (not at all) to 1; None is the decoder's
            choice, which may depend on the HCI.
        seed: of the decoder's noise.
        trust: whether to make the trust map.

    Raises:
        ConfigError: ``steps`` or ``fidelity`` is out of range.
    """

    steps: int = 1
    fidelity: float | None = None
    seed: int = 0
    trust: bool = True

    def __post_init__(self) -> None:
        if not 0 <= self.steps <= MAX_STEPS:
            raise ConfigError(f"steps = {self.steps}: give 0 (no flow) to {MAX_STEPS}")
        if self.fidelity is not None and (math.isnan(self.fidelity) or not 0 <= self.fidelity <= 1):
            raise ConfigError(f"fidelity = {self.fidelity:g}: give 0 (free) to 1 (as near as possible to what came)")


@dataclass(frozen=True, slots=True)
class Reconstruction:
    """A rebuilt picture: ``pixels`` uint8 ``[H, W, 3]`` or, if grey, ``[H, W]``.

    ``trust_map`` uint8 ``[ceil(H / 16), ceil(W / 16)]`` runs from 0 (invented) to 255 (evidence); ``trust`` is its
    mean as 0 to 1. Both are None where they were not asked for or the decoder makes none. ``fidelity`` is the one it
    was made with, None where nothing was received to be pulled back to, or the decoder takes no options.
    """

    pixels: NDArray[np.uint8]
    trust_map: NDArray[np.uint8] | None = None
    trust: float | None = None
    fidelity: float | None = None


class Decoder(Protocol):
    """Rebuilds a picture from any subset of guidance. Several threads may call it at once.

    ``device`` is where it computes. ``default_steps`` holds where a caller does not choose; it is None for a decoder
    that takes no options.
    """

    name: str

    @property
    def device(self) -> str:
        """``cpu``, ``cuda`` ..."""
        ...

    @property
    def default_steps(self) -> int | None:
        """Steps where the caller does not choose."""
        ...

    def reconstruct(
        self, guidance: Guidance, options: DecodeOptions, stop: Event | None = None
    ) -> Reconstruction | None:
        """Return the picture; None if this guidance is no start.

        ``stop`` is set when nobody waits for the picture any more: what takes long shall look at it and end with a
        ``ServiceError``.
        """
        ...


class HciDecoder:
    """The plain baseline: the HCI up-sampled to full size, nothing added. It takes no options and makes no map."""

    name = "hci"
    device = "cpu"
    default_steps = None

    def reconstruct(
        self, guidance: Guidance, options: DecodeOptions, stop: Event | None = None
    ) -> Reconstruction | None:
        """Return the up-sampled HCI, None without one."""
        del options, stop
        if guidance.hci is None:
            return None
        return Reconstruction(upsample(guidance.hci.pixels, guidance.header.width, guidance.header.height))


DECODER_NAMES: Final = ("pocket", HciDecoder.name)
DEFAULT_DECODER: Final = DECODER_NAMES[0]


def decoder_named(name: str, device: str = "") -> Decoder:
    """Return the decoder called ``name``, ready for use, the empty name being the default one; loading takes seconds.

    ``device`` is where it computes; the empty one is its own choice.

    Raises:
        UnknownNameError: there is no such decoder.
        SetupError: its weights or the device are not there.
        LimitError: the device's memory does not hold it.
    """
    name = name or DEFAULT_DECODER
    if name == HciDecoder.name:
        return HciDecoder()
    if name == "pocket":
        from receiver.pocket.decoder import PocketDecoder  # noqa: PLC0415 - other decoders do without

        pocket = PocketDecoder(device)
        with TORCH_IMPORTS:
            pocket.load()
        return pocket
    raise UnknownNameError(f"unknown decoder '{name}'; known are {', '.join(DECODER_NAMES)}")


def options_for(
    decoder: Decoder, *, steps: int | None = None, fidelity: float | None = None, seed: int = 0, trust: bool = False
) -> DecodeOptions:
    """Return the options as asked for, with the default of ``decoder`` where ``steps`` is None.

    Raises:
        ConfigError: a value is out of range.
    """
    return DecodeOptions(
        steps=(decoder.default_steps or 0) if steps is None else steps,
        fidelity=fidelity,
        seed=seed,
        trust=trust,
    )


def guidance_in(bitstream: Bitstream) -> Guidance:
    """Decode the streams of ``bitstream``; one that does not decode counts as damaged, the others still serve."""
    header = bitstream.header
    decoders: dict[StreamKind, tuple[str, Callable[[bytes], Any]]] = {
        StreamKind.HCI: ("hci", lambda data: decode_hci(data, header.width, header.height, grey=header.grey)),
        StreamKind.CAPTION: ("caption", decode_caption),
        StreamKind.TOKENS: ("tokens", decode_tokens),
        StreamKind.LATENT: ("latent", lambda data: decode_latent(data, header.width, header.height)),
        StreamKind.REGIONS: ("regions", decode_regions),
    }
    found: dict[str, Any] = {}
    damaged = []
    for stream in bitstream.streams:
        name, decode = decoders[stream.kind]
        try:
            found[name] = decode(stream.payload)
        except BitstreamError:
            damaged.append(stream.kind)
    return Guidance(header, **found, damaged=tuple(damaged))
