"""What the received streams say about a picture, decoded."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from receiver.concealment import fill_lost
from shared.caption.coder import decode_caption
from shared.errors import BitstreamError
from shared.hci.slices import decode_slices
from shared.hci.stream import HciImage, decode_hci, upsample
from shared.latent.coder import decode_latent
from shared.regions.coder import decode_regions
from shared.residual.stream import decode_residual, is_residual
from shared.streams import StreamKind
from shared.tokens.stream import decode_tokens

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from shared.bitstream import Bitstream, PictureHeader
    from shared.latent.coder import LatentChannels
    from shared.regions.region import Region
    from shared.streams import Stream
    from shared.tokens.stream import Tokens


@dataclass(frozen=True, slots=True)
class Guidance:
    """The decoded streams of one picture. A stream that was lost or does not decode is None.

    ``hci`` is the HCI (highly compressed image). Where slices of it were lost, it is filled from ``base``, the very
    small picture sent with it, or else from the slices around them; if all of them were lost, it is the base itself.
    ``received`` uint8 ``[1, 1, h, w]`` is 1 where the pixels of ``hci`` arrived as slices and 0 where they were filled;
    it is None if there is no HCI, or all of it arrived. ``slices`` are how many of the HCI's slices arrived, of how
    many. ``hci_bytes`` are the received bytes of HCI and base. ``residual`` int64 ``[ceil(H / 32), ceil(W / 32)]`` are
    the residual tokens, -1 where their unit was lost. ``damaged`` names the streams of which something was received
    that does not decode.
    """

    header: PictureHeader
    hci: HciImage | None = None
    caption: str | None = None
    tokens: Tokens | None = None
    latent: LatentChannels | None = None
    regions: tuple[Region, ...] | None = None
    damaged: tuple[StreamKind, ...] = ()
    base: HciImage | None = None
    received: NDArray[np.uint8] | None = None
    slices: tuple[int, int] = (0, 0)
    hci_bytes: int = 0
    residual: NDArray[np.int64] | None = None

    @property
    def is_empty(self) -> bool:
        """Whether nothing but the size of the picture is known."""
        return all(one is None for one in (self.hci, self.caption, self.tokens, self.latent, self.regions))


def guidance_in(bitstream: Bitstream) -> Guidance:
    """Decode all streams of ``bitstream``. A stream that does not decode is damaged; the others still count."""
    header = bitstream.header
    decoders: dict[StreamKind, tuple[str, Callable[[bytes], Any]]] = {
        StreamKind.HCI: ("hci", lambda data: decode_hci(data, header.width, header.height, grey=header.grey)),
        StreamKind.CAPTION: ("caption", decode_caption),
        StreamKind.TOKENS: ("tokens", decode_tokens),
        StreamKind.LATENT: ("latent", lambda data: decode_latent(data, header.width, header.height)),
        StreamKind.REGIONS: ("regions", decode_regions),
        StreamKind.BASE: ("base", lambda data: decode_hci(data, header.width, header.height, grey=header.grey)),
    }
    found: dict[str, Any] = {}
    damaged: list[StreamKind] = []
    sliced = None
    for stream in bitstream.streams:
        try:
            if stream.kind is StreamKind.TOKENS and is_residual(stream.units):
                found["residual"], faults = decode_residual(stream.units, header.width, header.height)
                damaged += [stream.kind] if faults else []
            elif stream.lengths:
                sliced = _require_slices(stream)
            else:
                name, decode = decoders[stream.kind]
                found[name] = decode(stream.payload)
        except BitstreamError:
            damaged.append(stream.kind)
    if sliced is not None:
        found |= _join_slices(sliced, header, found.get("base"), damaged)
    elif "base" in found and "hci" not in found:
        found |= {"hci": found["base"], "received": _mask(np.zeros(found["base"].pixels.shape[:2], bool))}
    pictures = (bitstream.stream(kind) for kind in (StreamKind.HCI, StreamKind.BASE))
    hci_bytes = sum(len(stream.payload) for stream in pictures if stream is not None)
    return Guidance(header, **found, damaged=tuple(damaged), hci_bytes=hci_bytes)


def _require_slices(stream: Stream) -> tuple[bytes, ...]:
    """Return the units of an HCI; of all other streams, only residual tokens may consist of several."""
    if stream.kind is not StreamKind.HCI:
        raise BitstreamError(f"a stream {stream.kind.name} of {len(stream.lengths)} units; it has one in this version")
    return stream.units


def _join_slices(
    slices: tuple[bytes, ...], header: PictureHeader, base: HciImage | None, damaged: list[StreamKind]
) -> dict[str, Any]:
    """Return the fields of ``Guidance`` that an HCI in ``slices`` gives, and add it to ``damaged`` if it is."""
    arrived = sum(map(bool, slices))
    sliced = decode_slices(slices, header.width, header.height, grey=header.grey)
    if sliced is None or sliced.damaged:
        damaged.append(StreamKind.HCI)
    if sliced is None:
        blank = {"hci": base, "received": _mask(np.zeros(base.pixels.shape[:2], bool))} if base is not None else {}
        return blank | {"slices": (0, len(slices))}
    rows, columns = sliced.received.shape
    under = None if base is None else upsample(base.pixels, columns, rows)
    image = sliced.image
    filled = HciImage(fill_lost(image.pixels, sliced.received, under), image.coder, image.scale)
    mask = None if sliced.received.all() else _mask(sliced.received)
    return {"hci": filled, "received": mask, "slices": (arrived, len(slices))}


def _mask(received: NDArray[np.bool_]) -> NDArray[np.uint8]:
    return received.astype(np.uint8)[None, None]
