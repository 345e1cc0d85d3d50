"""What a call costs the receiver, estimated before anything is allocated."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from shared.errors import LimitError

if TYPE_CHECKING:
    from receiver.decoders.base import Decoder
    from shared.bitstream import Bitstream, PictureHeader
    from shared.rpc.budget import Share

PACKET_BYTES: Final = 1024
"""Memory of a packet in repair and reassembly together, beside its own bytes."""
RECEPTION_BYTES: Final = 128 << 20
"""Most memory of the packets of a call: that of repair and reassembly of all transfers."""

FREE_PIXELS: Final = 1 << 20
PIXELS_PER_BYTE: Final = 1 << 16
"""A picture of more than ``FREE_PIXELS`` needs a byte for each of so many further ones: 0.0001 bit per pixel. Senders
spend 30 times as much at the least."""

PLAIN_BYTES: Final = 24
"""Memory per pixel of a picture that is enlarged, and of its file."""
MEASURE_BYTES: Final = 100
"""Memory per pixel of the comparison with the reference."""


def require_plausible(bitstream: Bitstream) -> None:
    """Check that the bytes can carry a picture of this size.

    Raises:
        LimitError: they are too few.
    """
    header, payload = bitstream.header, sum(len(stream.payload) for stream in bitstream.streams)
    if header.pixels > FREE_PIXELS + PIXELS_PER_BYTE * payload:
        raise LimitError(
            f"{payload} bytes for {header.width}x{header.height} pixels: this service decodes pictures of more than "
            f"{FREE_PIXELS} pixels from at least one byte per {PIXELS_PER_BYTE} further ones; use semlink decode"
        )


class DecodeMemory:
    """The memory that a call has for decoding: as much as its largest decoding needs, for one runs after the other."""

    def __init__(self, share: Share) -> None:
        self._share = share
        self._held_bytes = 0

    def reserve(self, header: PictureHeader, decoder: Decoder, steps: int, *, measured: bool = False) -> None:
        """Take what ``decoder`` needs for a picture in ``steps``, and for the comparison with a reference.

        There is a comparison if the picture is ``measured``.

        Raises:
            LimitError: the calls of the service hold too much.
        """
        needed = header.pixels * (PLAIN_BYTES + (MEASURE_BYTES if measured else 0))
        needed += decoder.cost(header, steps).memory_bytes
        if needed > self._held_bytes:
            self._share.grow(needed - self._held_bytes)
            self._held_bytes = needed
