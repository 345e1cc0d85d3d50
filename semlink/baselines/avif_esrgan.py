"""An AV1 thumbnail at a quarter of each side, enlarged by Real-ESRGAN as published (Wang et al., ICCVW 2021).

Only AV1's own bytes count, not the container of an AVIF file, which a stream in a link does not need.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, cast

from semlink.baselines.codec import enlarge, fit_files
from semlink.baselines.frames import decode_frame
from shared.hci.av1 import aom_obus

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from receiver.pocket.rrdbnet import RRDBNet

ESRGAN_SCALES = (4, 6, 8)
QUANTIZERS = 64
SPEED = 2


class AvifEsrgan:
    """The AV1 payload of a picture at 1/4 of each side, or 1/6 or 1/8 if 1/4 does not fit; then Real-ESRGAN."""

    name = "avif-esrgan"
    coder = "av1-thumbnail"
    suffix = ".obu"

    def __init__(self) -> None:
        """Load the network.

        Raises:
            SetupError: Real-ESRGAN's weights are not installed.
        """
        load_real_esrgan_x4()

    def encode(self, pixels: NDArray[np.uint8], max_bytes: int) -> bytes:
        """Return AV1's open bitstream units (OBUs)."""
        return next(fit_files(pixels, max_bytes, QUANTIZERS, _encode, ESRGAN_SCALES))

    def decode(self, data: bytes, width: int, height: int) -> NDArray[np.uint8]:
        """Return the picture."""
        return enlarge(upscale_4x(decode_frame(data, "libdav1d")), width, height)


@functools.cache
def load_real_esrgan_x4() -> RRDBNet:
    """Return Real-ESRGAN x4plus, frozen, on the CPU.

    Raises:
        SetupError: its weights are not installed.
    """
    import torch  # noqa: PLC0415 - seconds to import

    from receiver.pocket.esrgan import load_real_esrgan  # noqa: PLC0415

    network = load_real_esrgan().requires_grad_(requires_grad=False).eval()
    return cast("RRDBNet", network.to(memory_format=torch.channels_last))  # type: ignore[call-overload]  # not in torch's types


def upscale_4x(small: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return ``small`` ``[h, w, 3]`` enlarged to ``[4h, 4w, 3]`` by Real-ESRGAN, computed in bfloat16."""
    import torch  # noqa: PLC0415

    picture = torch.from_numpy(small.copy()).permute(2, 0, 1)[None].float() / 255
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
        large = load_real_esrgan_x4()(picture.contiguous(memory_format=torch.channels_last)).float()
    return cast("NDArray[np.uint8]", (large[0].clamp(0, 1) * 255).round().byte().permute(1, 2, 0).numpy())


def _encode(pixels: NDArray[np.uint8], quality: int) -> bytes:
    return aom_obus(pixels, QUANTIZERS - 1 - quality, "4:2:0", SPEED, {})
