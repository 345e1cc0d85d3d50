"""WebP (libwebp through Pillow), the whole file."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from PIL import Image

from semlink.evaluate.codec import enlarged, nearest_fitting, picture_in

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class WebP:
    """Lossy WebP by libwebp's slowest method."""

    name = coder = "webp"
    suffix = ".webp"

    def encode(self, pixels: NDArray[np.uint8], budget_bytes: int) -> bytes:
        """Return the file."""
        return nearest_fitting(self, pixels, budget_bytes, 101, _encoded)

    def decode(self, data: bytes, width: int, height: int) -> NDArray[np.uint8]:
        """Return the picture."""
        return enlarged(picture_in(data, "WEBP"), width, height)


def _encoded(pixels: NDArray[np.uint8], quality: int) -> bytes:
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "WEBP", quality=quality, method=6)
    return out.getvalue()
