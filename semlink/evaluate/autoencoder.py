"""The autoencoder ceiling: the original through the pocket decoder's autoencoder alone, with nothing sent."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from shared.errors import DataError
from shared.pixels import to_pixels, to_tensor

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from receiver.pocket.diffusers_import import AutoencoderDC

MULTIPLE = 8
CHANNELS = 16


class AutoencoderCeiling:
    """Encodes a picture to the autoencoder's latent and back. The file is the latent in float16, at any budget.

    No decoder that ends in this autoencoder can be much better.
    """

    name = coder = "autoencoder"
    suffix = ".f16"

    def __init__(self) -> None:
        """Load the network.

        Raises:
            SetupError: the pocket decoder's weights are missing or damaged.
        """
        import torch  # noqa: PLC0415 - seconds to import

        from receiver.pocket.config import weights_folder  # noqa: PLC0415
        from receiver.pocket.weights import load_networks  # noqa: PLC0415

        networks = load_networks(weights_folder(), torch.device("cpu"), torch.float32)
        self._network: AutoencoderDC = networks.autoencoder

    def encode(self, pixels: NDArray[np.uint8], max_bytes: int) -> bytes:
        """Return the latent of ``pixels``, with sides padded to multiples of 8."""
        del max_bytes
        import torch  # noqa: PLC0415

        from receiver.pocket.networks import to_latent  # noqa: PLC0415

        padded = np.pad(pixels, [(0, -side % MULTIPLE) for side in pixels.shape[:2]] + [(0, 0)], mode="edge")
        with torch.inference_mode():
            latent = to_latent(self._network, to_tensor(padded)[None].contiguous())
        return latent.half().numpy().tobytes()

    def decode(self, data: bytes, width: int, height: int) -> NDArray[np.uint8]:
        """Return the picture ``[height, width, 3]`` of a latent."""
        import torch  # noqa: PLC0415

        from receiver.pocket.networks import from_latent  # noqa: PLC0415

        shape = 1, CHANNELS, -(-height // MULTIPLE), -(-width // MULTIPLE)
        if len(data) != 2 * np.prod(shape):
            raise DataError(f"this latent has {len(data)} bytes; {2 * np.prod(shape)} make {width}x{height} pixels")
        latent = torch.from_numpy(np.frombuffer(data, "<f2").astype(np.float32)).view(shape)
        with torch.inference_mode():
            picture = from_latent(self._network, latent)[0, :, :height, :width]
        return to_pixels(picture, grey=False)
