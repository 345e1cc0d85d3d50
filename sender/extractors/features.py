"""Image features of the sender: the head map of EfficientNet-Lite2, a frozen ImageNet classifier.

Captioner, token encoder and object finder (`sender/extractors/objects.py`) use them.

The receiver measures pictures with Lite0 (`shared/efficientnet.py`). A sender with the features of Lite0 would optimise
for that measure and bias the results, so it uses Lite2.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import torch
from PIL import Image

from shared.efficientnet import SENDER_NETWORK, efficientnet_lite
from shared.pixels import require_pixels

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor, nn

SIDE: Final = 256
"""Pictures of any shape are resized to a square with this side in pixels. The network was trained with 260."""
PLACES: Final = (SIDE // 32) ** 2
FEATURE_CHANNELS: Final = 1280


class FeatureExtractor:
    """The frozen network, loaded once.

    Raises:
        SetupError: its package is missing or damaged.
    """

    def __init__(self) -> None:
        self._network = efficientnet_lite(SENDER_NETWORK)

    @property
    def classifier(self) -> nn.Linear:
        """The network's last layer: from the mean of a picture's features to its ImageNet classes."""
        return self._network.classifier

    @torch.inference_mode()
    def maps(self, squares: NDArray[np.uint8]) -> Tensor:
        """Return ``[B, 64, 1280]`` float32, places row by row, for ``squares`` ``[B, 256, 256, 3]``."""
        pictures = torch.from_numpy(squares.transpose(0, 3, 1, 2).astype(np.float32) / 255)
        return self._network.head_map(pictures).flatten(2).transpose(1, 2).contiguous()

    def __call__(self, pixels: NDArray[np.uint8]) -> Tensor:
        """Return ``[64, 1280]`` float32 of one picture, uint8 ``[H, W, 3]`` RGB or ``[H, W]`` grey, of any size.

        Raises:
            PictureError: another kind of array.
        """
        return self.maps(resize_to_square(pixels)[None])[0]


def resize_to_square(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return ``pixels`` as RGB ``[256, 256, 3]``, resized with Pillow's bicubic filter (in integers).

    Raises:
        PictureError: not uint8 ``[H, W, 3]`` or ``[H, W]`` with at least one pixel.
    """
    require_pixels(pixels)
    image = Image.fromarray(np.ascontiguousarray(pixels)).convert("RGB")
    return np.asarray(image.resize((SIDE, SIDE), Image.Resampling.BICUBIC))
