"""WebP (libwebp through Pillow). The complete file counts."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from PIL import Image

from semlink.baselines.codec import encode_nearest, enlarge, read_image

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class WebP:
    """Lossy WebP with libwebp's slowest and best method."""

    name = coder = "webp"
    suffix = ".webp"

    def encode(self, pixels: NDArray[np.uint8], max_bytes: int) -> bytes:
        """Return the file."""
        return encode_nearest(self, pixels, max_bytes, 101, _encode)

    def decode(self, data: bytes, width: int, height: int) -> NDArray[np.uint8]:
        """Return the picture."""
        return enlarge(read_image(data, "WEBP"), width, height)


def _encode(pixels: NDArray[np.uint8], quality: int) -> bytes:
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "WEBP", quality=quality, method=6)
    return out.getvalue()
