"""From whole streams to a picture: guidance, the interface of every decoder, and the plain up-sampling baseline."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

from shared.errors import BitstreamError, UnknownNameError
from shared.hci.stream import decode_hci, upsample
from shared.streams import StreamKind

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from shared.bitstream import Bitstream, PictureHeader
    from shared.hci.stream import HciImage


@dataclass(frozen=True, slots=True)
class Guidance:
    """What the received streams say about one picture; a stream that is lost or damaged is None.

    ``damaged`` names the streams that came whole but do not decode.
    """

    header: PictureHeader
    hci: HciImage | None = None
    damaged: tuple[StreamKind, ...] = ()


class Decoder(Protocol):
    """Rebuilds a picture from any subset of guidance."""

    name: str

    def reconstruct(self, guidance: Guidance) -> NDArray[np.uint8] | None:
        """Return the picture, uint8 ``[H, W, 3]`` or, if grey, ``[H, W]``; None if this guidance is no start."""
        ...


class HciDecoder:
    """The plain baseline: the HCI up-sampled to full size, nothing added."""

    name = "hci"

    def reconstruct(self, guidance: Guidance) -> NDArray[np.uint8] | None:
        """Return the up-sampled HCI, None without one."""
        if guidance.hci is None:
            return None
        return upsample(guidance.hci.pixels, guidance.header.width, guidance.header.height)


_DECODERS: Final[dict[str, type[Decoder]]] = {HciDecoder.name: HciDecoder}
DEFAULT_DECODER: Final = HciDecoder.name


def decoder_named(name: str) -> Decoder:
    """Return the decoder called ``name``; the empty name is the default one.

    Raises:
        UnknownNameError: there is no such decoder.
    """
    decoder = _DECODERS.get(name or DEFAULT_DECODER)
    if decoder is None:
        raise UnknownNameError(f"unknown decoder '{name}'; known are {', '.join(_DECODERS)}")
    return decoder()


def guidance_in(bitstream: Bitstream) -> Guidance:
    """Decode the streams of ``bitstream``; one that does not decode counts as damaged, the others still serve."""
    header, stream = bitstream.header, bitstream.stream(StreamKind.HCI)
    if stream is None:
        return Guidance(header)
    try:
        return Guidance(header, hci=decode_hci(stream.payload, header.width, header.height, grey=header.grey))
    except BitstreamError:
        return Guidance(header, damaged=(StreamKind.HCI,))
