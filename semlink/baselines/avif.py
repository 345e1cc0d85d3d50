"""AVIF (libaom through Pillow). The complete file counts; its container takes about 290 bytes."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from PIL import Image

from semlink.baselines.codec import encode_nearest, enlarge, read_image

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

SPEED = 4


class Avif:
    """AVIF with 4:2:0 chroma and libavif's default tuning."""

    name = coder = "avif"
    suffix = ".avif"

    def encode(self, pixels: NDArray[np.uint8], max_bytes: int) -> bytes:
        """Return the file."""
        return encode_nearest(self, pixels, max_bytes, 101, _encode)

    def decode(self, data: bytes, width: int, height: int) -> NDArray[np.uint8]:
        """Return the picture."""
        return enlarge(read_image(data, "AVIF"), width, height)


def _encode(pixels: NDArray[np.uint8], quality: int) -> bytes:
    out = io.BytesIO()
    options = {"quality": quality, "subsampling": "4:2:0", "speed": SPEED, "codec": "aom", "max_threads": 1}
    Image.fromarray(pixels).save(out, "AVIF", **options)
    return out.getvalue()
