"""Measures how well the pocket decoder restores a highly compressed image (HCI), to choose the best of several."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from semlink.encoder_search.decoder import pocket_decoder
from shared.bitstream import PictureHeader
from shared.hci.stream import HciImage, decode_hci
from shared.lazy import Lazy
from shared.pixels import to_tensor

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

    from receiver.pocket.decoder import PocketDecoder

WINDOW_GRID: Final = 240
"""Windows start at multiples of this many pixels, which are whole HCI pixels at every scale."""
WINDOW_SIDE: Final = 480
"""Longest side of the window in the middle that is compared. Decoding more takes longer and seldom changes the choice.
"""


@dataclass(frozen=True)
class Window:
    """The part of a picture that is compared, in pixels of the picture."""

    top: int
    left: int
    height: int
    width: int

    def crop(self, pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Return this part of ``pixels`` ``[H, W, 3]`` or ``[H, W]``."""
        return pixels[self.top : self.top + self.height, self.left : self.left + self.width]

    def downscale(self, scale: int) -> Window:
        """Return the same part of a picture at 1/``scale``."""
        return Window(self.top // scale, self.left // scale, -(-self.height // scale), -(-self.width // scale))


def window_in(height: int, width: int) -> Window:
    """Return the window of a picture of ``height`` × ``width``: the whole picture, or 480 pixels around its middle."""
    (top, rows), (left, columns) = (_middle_part(side) for side in (height, width))
    return Window(top, left, rows, columns)


def _middle_part(side: int) -> tuple[int, int]:
    start = max(0, (side - WINDOW_SIDE) // 2) // WINDOW_GRID * WINDOW_GRID
    return start, min(WINDOW_SIDE, side - start)


class PocketDecoderInTheLoop:
    """``DecoderInTheLoop`` with the pocket decoder. All load at the first use.

    Several threads may call it. The distance is EfficientNet feature distance (on EfficientNet-Lite2) times DISTS as
    published.
    """

    def __init__(self, decoder: Lazy[PocketDecoder] | None = None) -> None:
        """Decode with ``decoder``; None loads one on the default device."""
        self._decoder = decoder or pocket_decoder()
        self._networks = Lazy(_Networks)

    def __call__(self, pixels: NDArray[np.uint8]) -> Callable[[bytes], float]:
        """Return a function from an HCI's payload to the distance of its decoded picture to ``pixels``.

        ``pixels`` are uint8 ``[H, W, 3]`` or ``[H, W]``. The window in the middle is compared.

        Raises:
            SetupError: the decoder or a network is not installed, or weights are missing or damaged.
        """
        from receiver.decoders.base import options_for  # noqa: PLC0415
        from receiver.guidance import Guidance  # noqa: PLC0415

        decoder, networks = self._decoder(), self._networks()
        height, width = pixels.shape[:2]
        window = window_in(height, width)
        original = networks.maps(window.crop(pixels))
        header = PictureHeader(window.width, window.height, pixels.ndim == 2)
        options = options_for(decoder, trust=False)

        def distance(payload: bytes) -> float:
            hci = decode_hci(payload, width, height, grey=header.grey)
            part: HciImage = replace(hci, pixels=window.downscale(hci.scale).crop(hci.pixels))
            decoded = decoder.reconstruct(Guidance(header, hci=part), options)
            return networks.distance(networks.maps(decoded.pixels), original)

        return distance


class _Networks:
    """EfficientNet-Lite2 and VGG16, frozen, on the CPU."""

    def __init__(self) -> None:
        from receiver.metrics.perceptual import load_distance  # noqa: PLC0415 - these import torch
        from shared.efficientnet import SENDER_NETWORK, efficientnet_lite  # noqa: PLC0415

        self._efficientnet, self._dists = efficientnet_lite(SENDER_NETWORK), load_distance("dists")

    def maps(self, pixels: NDArray[np.uint8]) -> tuple[list[Tensor], list[Tensor]]:
        """Return the feature maps of ``pixels`` by both networks."""
        import torch  # noqa: PLC0415

        picture = to_tensor(pixels)[None]
        with torch.inference_mode():
            return self._efficientnet(picture), self._dists.features(picture)

    def distance(self, maps: tuple[Any, Any], originals: tuple[Any, Any]) -> float:
        """Return the product of both distances, so that the scale of neither matters."""
        from semlink.encoder_search.feature_distance import feature_distance  # noqa: PLC0415 - imports torch

        return float(feature_distance(maps[0], originals[0])) * float(self._dists.distance(maps[1], originals[1]))
