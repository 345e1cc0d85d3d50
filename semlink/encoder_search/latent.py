"""Measures what a picture loses when only some latent channels are sent.

Equation (2) of "Generative Semantic Coding" (GSC) leaves the visual analysis V to its user. Here V are the features of
EfficientNet-Lite2: unit vectors at every place of its five stages. abs(V(x_hat) - V(x)) is their mean squared
difference, the EfficientNet feature distance (``semlink/encoder_search/feature_distance.py``, docs/latent.md).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from semlink.encoder_search.decoder import pocket_decoder
from shared.bitstream import PictureHeader
from shared.lazy import Lazy
from shared.pixels import to_tensor

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

    from receiver.pocket.decoder import PocketDecoder
    from shared.efficientnet import EfficientNetLite
    from shared.latent.coder import LatentChannels

LONGEST_SIDE: Final = 480
"""Larger pictures are down-sampled until their longer side has this many pixels."""
SHORTEST_SIDE: Final = 64
"""The shorter side keeps at least this many pixels, which the coarsest features need."""


class PocketFeatureDistortion:
    """``FeatureDistortion`` with the pocket decoder. Loads at the first use; several threads may call it."""

    def __init__(self, decoder: Lazy[PocketDecoder] | None = None) -> None:
        """Decode with ``decoder``; None loads one on the default device."""
        self._decoder = decoder or pocket_decoder()
        self._network = Lazy(_load_network)

    def __call__(self, pixels: NDArray[np.uint8], caption: str) -> Callable[[LatentChannels], float]:
        """Return abs(V(x_hat) - V(x)) as a function of the latent channels that are sent.

        x is ``pixels`` ``[H, W, 3]`` or ``[H, W]``. x_hat is decoded from the channels and ``caption``, without an HCI.

        Raises:
            SetupError: the decoder or the network is not installed, or weights are missing or damaged.
        """
        from receiver.decoders.base import options_for  # noqa: PLC0415
        from receiver.guidance import Guidance  # noqa: PLC0415
        from semlink.encoder_search.feature_distance import feature_distance  # noqa: PLC0415 - imports torch

        decoder, network = self._decoder(), self._network()
        height, width = pixels.shape[:2]
        header = PictureHeader(width, height, pixels.ndim == 2)
        options = options_for(decoder)
        original = visual_features(network, pixels)

        def distortion(channels: LatentChannels) -> float:
            decoded = decoder.reconstruct(Guidance(header, caption=caption or None, latent=channels), options)
            return float(feature_distance(visual_features(network, decoded.pixels), original))

        return distortion


def _load_network() -> EfficientNetLite:
    from shared.efficientnet import SENDER_NETWORK, efficientnet_lite  # noqa: PLC0415 - imports torch

    return efficientnet_lite(SENDER_NETWORK)


def visual_features(network: EfficientNetLite, pixels: NDArray[np.uint8]) -> list[Tensor]:
    """Return the feature maps ``[1, C, h, w]`` of ``pixels`` ``[H, W, 3]`` or ``[H, W]``, at most 480 pixels a side."""
    import torch  # noqa: PLC0415
    from torch.nn import functional  # noqa: PLC0415

    picture = to_tensor(pixels)[None]
    sides = pixels.shape[:2]
    factor = min(1.0, max(LONGEST_SIDE / max(sides), SHORTEST_SIDE / min(sides)))
    with torch.inference_mode():
        if factor < 1:
            size = [round(side * factor) for side in sides]
            picture = functional.interpolate(picture, size, mode="bicubic", antialias=True, align_corners=False)
        return network.forward(picture.clamp(0, 1))
