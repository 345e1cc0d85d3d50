"""The latent's layout: how many channels it has, how large they are, and which values they hold."""

from __future__ import annotations

from typing import Final

LATENT_CHANNELS: Final = 32
"""M in "Generative Semantic Coding" (GSC): the channels that the analysis transform makes of a picture."""
CHANNEL_COUNTS: Final = (1, 2, 4, 8, 16)
"""C in GSC: how many of the M channels a sender offers to send."""
LATENT_STRIDE: Final = 16
"""Pixels per sample of a channel, in both directions."""
VALUE_MAX: Final = 127
"""Samples are whole steps of the quantiser, -127 to 127."""


def latent_size(width: int, height: int) -> tuple[int, int]:
    """Return the rows and columns of a channel for a picture of ``width`` x ``height``: a sixteenth, rounded up."""
    return -(-height // LATENT_STRIDE), -(-width // LATENT_STRIDE)
