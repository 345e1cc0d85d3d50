"""Full-range BT.601 colour conversion in integer arithmetic, so that every machine gets the same pixels.

The constants are those of ITU-T T.871 (JPEG File Interchange Format) in 16-bit fixed point. A 4:2:0 chroma sample is in
the middle of its four luma samples, because libavif averages them. A triangle filter (weights 9, 3, 3, 1 over 16)
up-samples it. The result stays scaled by 16 and is rounded once at the end.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

BAND_ROWS = 256  # rows converted at once: bounds the memory of the 32-bit intermediates
RED_FROM_CR, GREEN_FROM_CB, GREEN_FROM_CR, BLUE_FROM_CB = 91881, -22554, -46802, 116130
LUMA_WEIGHTS, CB_WEIGHTS, CR_WEIGHTS = (19595, 38470, 7471), (-11059, -21709, 32768), (32768, -27439, -5329)


def rgb_from_yuv(luma: NDArray[np.uint8], cb: NDArray[np.uint8], cr: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return ``[h, w, 3]`` RGB from ``luma`` ``[h, w]`` and chroma ``[h, w]`` or ``[ceil(h/2), ceil(w/2)]``."""
    height, width = luma.shape
    cb16, cr16 = upsample_times_16(cb, height, width), upsample_times_16(cr, height, width)
    out = np.empty((height, width, 3), np.uint8)
    for top in range(0, height, BAND_ROWS):
        band = slice(top, min(top + BAND_ROWS, height))
        y = (luma[band].astype(np.int32) << 20) + (1 << 19)
        u, v = cb16[band].astype(np.int32) - 2048, cr16[band].astype(np.int32) - 2048
        for channel, value in enumerate(
            (y + RED_FROM_CR * v, y + GREEN_FROM_CB * u + GREEN_FROM_CR * v, y + BLUE_FROM_CB * u)
        ):
            out[band, :, channel] = np.clip(value >> 20, 0, 255)
    return out


def yuv_from_rgb(rgb: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], NDArray[np.uint8], NDArray[np.uint8]]:
    """Return full-size luma, Cb and Cr planes ``[h, w]`` of an ``[h, w, 3]`` picture."""
    wide = rgb.astype(np.int32)
    planes = []
    for weights, offset in ((LUMA_WEIGHTS, 0), (CB_WEIGHTS, 128), (CR_WEIGHTS, 128)):
        value = sum(wide[..., channel] * weight for channel, weight in enumerate(weights))
        planes.append(np.clip((value + (offset << 16) + (1 << 15)) >> 16, 0, 255).astype(np.uint8))
    return planes[0], planes[1], planes[2]


def upsample_times_16(plane: NDArray[np.uint8], height: int, width: int) -> NDArray[np.uint16]:
    """Return a chroma plane scaled by 16 at luma's size, up-sampled if it is smaller."""
    if plane.shape == (height, width):
        return plane.astype(np.uint16) * np.uint16(16)
    tall = _double_rows(plane.astype(np.uint16))[:height]
    return _double_rows(tall.T)[:width].T


def _double_rows(plane: NDArray[np.uint16]) -> NDArray[np.uint16]:
    """Return ``plane`` with twice the rows, each 3 parts of the nearer and 1 of the farther input row, scaled by 4."""
    padded = np.pad(plane, ((1, 1), (0, 0)), mode="edge")
    out = np.empty((2 * plane.shape[0], plane.shape[1]), np.uint16)
    out[0::2] = 3 * plane + padded[:-2]
    out[1::2] = 3 * plane + padded[2:]
    return out
