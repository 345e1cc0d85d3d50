"""The plain baseline: the received HCI (highly compressed image) enlarged to full size, nothing added."""

from __future__ import annotations

from typing import TYPE_CHECKING

from receiver.decoders.base import DecodeCost, Reconstruction
from shared.hci.stream import upsample

if TYPE_CHECKING:
    from threading import Event

    from receiver.decoders.base import DecodeOptions
    from receiver.guidance import Guidance
    from shared.bitstream import PictureHeader


class UpsampleDecoder:
    """Enlarges the HCI (Lanczos). It takes no options and computes no trust map."""

    name = "hci"
    device = "cpu"
    default_steps = None
    max_steps = 4
    models = ()

    def cost(self, header: PictureHeader, steps: int) -> DecodeCost:
        """Return what enlarging takes, as ``Decoder.cost``."""
        del steps
        return DecodeCost(0, header.pixels)

    def reconstruct(
        self, guidance: Guidance, options: DecodeOptions, stop: Event | None = None
    ) -> Reconstruction | None:
        """Return the enlarged HCI, or None without an HCI."""
        del options, stop
        if guidance.hci is None:
            return None
        return Reconstruction(upsample(guidance.hci.pixels, guidance.header.width, guidance.header.height))
