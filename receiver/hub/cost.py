"""What decoding with a model profile takes: by working size, steps, and the widths and weights of its networks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from receiver.decoders.base import DecodeCost
from receiver.hub.model import LATENT_SCALE

if TYPE_CHECKING:
    from receiver.hub.model import LatentModel
    from shared.bitstream import PictureHeader
    from shared.hub.profile import ModelProfile

PICTURE_BYTES: Final = 150
"""Memory per pixel of a picture, its latent, noise and control maps, beside the tile in work."""
LIVE_MAPS: Final = 6
"""Maps as wide as the autoencoder's second block that a tile takes, at the picture's size (docs/models.md#memory)."""
POCKET_WEIGHTS: Final = 16_000_000
"""Weights that the pocket decoder runs in a step."""
ENDS: Final = 2
"""Passes beside the steps: the autoencoder at both ends."""


def decode_cost(
    model: LatentModel, profile: ModelProfile, header: PictureHeader, steps: int, start: DecodeCost
) -> DecodeCost:
    """Return the cost of a picture in ``steps``, of which ``start`` is that of the picture where the sampling starts.

    The start and the tiles of the base are computed one after the other, so that the larger memory counts.
    """
    if steps == 0:
        return start
    multiple = LATENT_SCALE * model.multiple
    pixels = -(-header.width // multiple) * -(-header.height // multiple) * multiple**2
    autoencoder = model.autoencoder
    bytes_each = autoencoder.config.block_out_channels[:2][-1] * autoencoder.dtype.itemsize * LIVE_MAPS
    memory_bytes = pixels * PICTURE_BYTES + min(pixels, profile.memory.tile_px**2) * bytes_each
    prompts = 1 + (profile.guidance_scale > 1)
    passes = ENDS + steps * prompts * -(-model.denoiser.num_parameters() // POCKET_WEIGHTS)
    return DecodeCost(max(memory_bytes, start.memory_bytes), start.work + pixels * passes)
