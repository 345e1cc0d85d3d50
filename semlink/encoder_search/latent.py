"""What planes of the latent lose of a picture's visual analysis: the pocket decoder, and what a network then sees.

V, which GSC's equation (2) leaves to the user, is here what EfficientNet-Lite2 sees: the unit feature vectors at every
place of its five stages. abs(V(x_hat) - V(x)) is the mean square of their difference: LPIPS' form (docs/latent.md).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from semlink.encoder_search.decoder import pocket_decoder
from shared.bitstream import PictureHeader
from shared.lazy import Lazy

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

    from receiver.pocket.decoder import PocketDecoder
    from shared.efficientnet import EfficientNetLite
    from shared.latent.coder import LatentPlanes

LONGEST: Final = 480
"""Pixels of the longer side at which V looks at a picture; smaller pictures stay as they are."""
SHORTEST: Final = 64
"""Pixels that the shorter side keeps, for the coarsest features."""


class PocketAnalyst:
    """Loads decoder and network when it is first asked; several threads may call it."""

    def __init__(self, decoder: Lazy[PocketDecoder] | None = None) -> None:
        """Try planes with ``decoder``; without one, with one of its own on the device of its choice."""
        self._decoder = decoder or pocket_decoder()
        self._network = Lazy(_network)

    def __call__(self, pixels: NDArray[np.uint8], caption: str) -> Callable[[LatentPlanes], float]:
        """Return |V(x_hat) - V(x)| as a function of the planes that arrive, with ``caption`` and without an HCI.

        Raises:
            SetupError: the decoder or the network is not installed, or weights are missing or damaged.
        """
        from receiver.guidance import Guidance, options_for  # noqa: PLC0415
        from receiver.metrics.distances import lpips_form  # noqa: PLC0415 - imports torch

        decoder, network = self._decoder(), self._network()
        height, width = pixels.shape[:2]
        header = PictureHeader(width, height, pixels.ndim == 2)
        options = options_for(decoder)
        wanted = visual_analysis(network, pixels)

        def lost(planes: LatentPlanes) -> float:
            made = decoder.reconstruct(Guidance(header, caption=caption or None, planes=planes), options)
            return float(lpips_form(visual_analysis(network, made.pixels), wanted))

        return lost


def _network() -> EfficientNetLite:
    from shared.efficientnet import SENDER_NETWORK, efficientnet_lite  # noqa: PLC0415 - imports torch

    return efficientnet_lite(SENDER_NETWORK)


def visual_analysis(network: EfficientNetLite, pixels: NDArray[np.uint8]) -> list[Tensor]:
    """Return the feature maps ``[1, C, h, w]`` of ``pixels`` ``[H, W, 3]`` or ``[H, W]``, at 480 pixels at most."""
    import torch  # noqa: PLC0415
    from torch.nn import functional  # noqa: PLC0415

    from shared.pixels import to_tensor  # noqa: PLC0415

    picture = to_tensor(pixels)[None]
    sides = pixels.shape[:2]
    factor = min(1.0, max(LONGEST / max(sides), SHORTEST / min(sides)))
    with torch.inference_mode():
        if factor < 1:
            size = [round(side * factor) for side in sides]
            picture = functional.interpolate(picture, size, mode="bicubic", antialias=True, align_corners=False)
        return network.forward(picture.clamp(0, 1))
