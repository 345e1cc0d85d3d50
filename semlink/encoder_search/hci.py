"""The judge that `adaptive` tries HCIs with: the pocket decoder, and what its picture looks like to two networks."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from semlink.encoder_search.decoder import pocket_decoder
from shared.bitstream import PictureHeader
from shared.hci.stream import HciImage, decode_hci
from shared.lazy import Lazy

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

    from receiver.pocket.decoder import PocketDecoder

GRID: Final = 240
"""Windows begin at multiples of this: at every scale a whole number of the HCI's pixels."""
SIDE: Final = 480
"""Of the window in the middle that is judged: to decode more takes longer and seldom changes the choice."""


@dataclass(frozen=True)
class Window:
    """The part of a picture that is judged, in its pixels."""

    top: int
    left: int
    height: int
    width: int

    def cut(self, pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Return this part of ``pixels`` ``[H, W, 3]`` or ``[H, W]``."""
        return pixels[self.top : self.top + self.height, self.left : self.left + self.width]

    def shrunk(self, scale: int) -> Window:
        """Return the same part of a picture at 1/``scale``."""
        return Window(self.top // scale, self.left // scale, -(-self.height // scale), -(-self.width // scale))


def window_in(height: int, width: int) -> Window:
    """Return the window of a picture of ``height`` × ``width``: all of it, or at most 480 pixels about its middle."""
    (top, rows), (left, columns) = (_middle(side) for side in (height, width))
    return Window(top, left, rows, columns)


def _middle(side: int) -> tuple[int, int]:
    start = max(0, (side - SIDE) // 2) // GRID * GRID
    return start, min(SIDE, side - start)


class PocketJudge:
    """Loads decoder and networks when it is first asked; several threads may call it."""

    def __init__(self, decoder: Lazy[PocketDecoder] | None = None) -> None:
        """Try HCIs with ``decoder``; without one, with one of its own on the device of its choice."""
        self._decoder = decoder or pocket_decoder()
        self._networks = Lazy(_Networks)

    def __call__(self, pixels: NDArray[np.uint8]) -> Callable[[bytes], float]:
        """Return what measures an HCI's payload: LPIPS' form on EfficientNet times DISTS' form on VGG16.

        Raises:
            SetupError: the decoder or a network is not installed, or weights are missing or damaged.
        """
        from receiver.guidance import Guidance, options_for  # noqa: PLC0415

        decoder, networks = self._decoder(), self._networks()
        height, width = pixels.shape[:2]
        window = window_in(height, width)
        original = networks.maps(window.cut(pixels))
        header = PictureHeader(window.width, window.height, pixels.ndim == 2)
        options = options_for(decoder, trust=False)

        def distance(payload: bytes) -> float:
            hci = decode_hci(payload, width, height, grey=header.grey)
            part: HciImage = replace(hci, pixels=window.shrunk(hci.scale).cut(hci.pixels))
            made = decoder.reconstruct(Guidance(header, hci=part), options)
            return networks.distance(networks.maps(made.pixels), original)

        return distance


class _Networks:
    """Frozen, on the CPU."""

    def __init__(self) -> None:
        from receiver.metrics.vgg import vgg_features  # noqa: PLC0415 - these import torch
        from shared.efficientnet import SENDER_NETWORK, efficientnet_lite  # noqa: PLC0415

        self._efficientnet, self._vgg = efficientnet_lite(SENDER_NETWORK), vgg_features()

    def maps(self, pixels: NDArray[np.uint8]) -> tuple[list[Tensor], list[Tensor]]:
        """Return the feature maps of ``pixels`` by both networks."""
        import torch  # noqa: PLC0415

        from shared.pixels import to_tensor  # noqa: PLC0415

        picture = to_tensor(pixels)[None]
        with torch.inference_mode():
            return self._efficientnet(picture), [picture, *self._vgg(picture)]

    @staticmethod
    def distance(maps: tuple[Any, Any], originals: tuple[Any, Any]) -> float:
        """Return the product of both distances, so that neither's scale matters."""
        from receiver.metrics.distances import dists_form, lpips_form  # noqa: PLC0415

        return float(lpips_form(maps[0], originals[0])) * float(dists_form(maps[1], originals[1]))
