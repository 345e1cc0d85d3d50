"""What the received streams say about a picture, decoded."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from shared.caption.coder import decode_caption
from shared.errors import BitstreamError
from shared.hci.stream import decode_hci
from shared.latent.coder import decode_latent
from shared.regions.coder import decode_regions
from shared.streams import StreamKind
from shared.tokens.stream import decode_tokens

if TYPE_CHECKING:
    from collections.abc import Callable

    from shared.bitstream import Bitstream, PictureHeader
    from shared.hci.stream import HciImage
    from shared.latent.coder import LatentChannels
    from shared.regions.region import Region
    from shared.tokens.stream import Tokens


@dataclass(frozen=True, slots=True)
class Guidance:
    """The decoded streams of one picture. A stream that was lost or does not decode is None.

    ``hci`` is the HCI (highly compressed image). ``damaged`` names the streams that were received but do not decode.
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
