"""JPEG 2000 (OpenJPEG through Pillow), as a raw codestream without a container."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from PIL import Image

from semlink.baselines.codec import encode_nearest, enlarge, read_image

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

STEPS = 256
"""Number of compression ratios to choose from, evenly spaced in their logarithm."""
WORST_RATIO = 10_000.0


class Jpeg2000:
    """The irreversible transform at the lowest compression ratio that fits."""

    name = coder = "jpeg2000"
    suffix = ".j2k"

    def encode(self, pixels: NDArray[np.uint8], max_bytes: int) -> bytes:
        """Return the codestream."""
        return encode_nearest(self, pixels, max_bytes, STEPS, _encode)

    def decode(self, data: bytes, width: int, height: int) -> NDArray[np.uint8]:
        """Return the picture."""
        return enlarge(read_image(data, "JPEG2000"), width, height)


def _encode(pixels: NDArray[np.uint8], quality: int) -> bytes:
    ratio = WORST_RATIO ** (1 - quality / (STEPS - 1))
    out = io.BytesIO()
    options = {"no_jp2": True, "irreversible": True, "quality_mode": "rates", "quality_layers": [ratio]}
    Image.fromarray(pixels).save(out, "JPEG2000", **options)
    return out.getvalue()
