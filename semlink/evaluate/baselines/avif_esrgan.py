"""An AV1 thumbnail of a quarter of the size, enlarged by Real-ESRGAN as published: no training, no own format.

Only AV1's own bytes count, not AVIF's container, which a stream of one's own would not pay.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, cast

from semlink.evaluate.baselines.frames import decoded_frame
from semlink.evaluate.codec import enlarged, files_fitting
from shared.hci.av1 import aom_obus

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from receiver.pocket.rrdbnet import RRDBNet

ESRGAN_SCALES = (4, 6, 8)
QUANTIZERS = 64
SPEED = 2


class AvifEsrgan:
    """AVIF's payload of a quarter-size picture (smaller where that does not fit), then Real-ESRGAN."""

    name = "avif-esrgan"
    coder = "av1-thumbnail"
    suffix = ".obu"

    def __init__(self) -> None:
        """Load the network.

        Raises:
            SetupError: Real-ESRGAN's weights are not installed.
        """
        real_esrgan_x4()

    def encode(self, pixels: NDArray[np.uint8], budget_bytes: int) -> bytes:
        """Return AV1's OBUs."""
        return next(files_fitting(pixels, budget_bytes, QUANTIZERS, _encoded, ESRGAN_SCALES))

    def decode(self, data: bytes, width: int, height: int) -> NDArray[np.uint8]:
        """Return the picture."""
        return enlarged(four_times(decoded_frame(data, "libdav1d")), width, height)


@functools.cache
def real_esrgan_x4() -> RRDBNet:
    """Return Real-ESRGAN x4plus, frozen, ready for a CPU.

    Raises:
        SetupError: its weights are not installed.
    """
    import torch  # noqa: PLC0415 - seconds to import

    from receiver.pocket.esrgan import real_esrgan  # noqa: PLC0415

    network = real_esrgan().requires_grad_(requires_grad=False).eval()
    return cast("RRDBNet", network.to(memory_format=torch.channels_last))


def four_times(small: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return ``small`` ``[h, w, 3]`` as ``[4h, 4w, 3]`` by Real-ESRGAN, computed in bfloat16."""
    import torch  # noqa: PLC0415

    picture = torch.from_numpy(small.copy()).permute(2, 0, 1)[None].float() / 255
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
        large = real_esrgan_x4()(picture.contiguous(memory_format=torch.channels_last)).float()
    return cast("NDArray[np.uint8]", (large[0].clamp(0, 1) * 255).round().byte().permute(1, 2, 0).numpy())


def _encoded(pixels: NDArray[np.uint8], quality: int) -> bytes:
    return aom_obus(pixels, QUANTIZERS - 1 - quality, "4:2:0", SPEED, {})
