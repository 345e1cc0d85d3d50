"""Fills lost slices of the highly compressed image (HCI): from the base, or from the slices around them.

The difference between the slices that arrived and the picture ``under`` them is extended into the lost cells, coarser
and coarser with the distance to the border (push-pull: Gortler et al., "The Lumigraph", SIGGRAPH 1996, section 3.4).
The filled picture therefore has no edge at the border of a lost cell. Over a base the difference fades with distance.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]

FADING, NEAR_DOUBLINGS = 0.5, 2
"""What is left of the difference over a base, for each doubling of the distance to the border beyond the first two."""


def fill_lost(
    pixels: NDArray[np.uint8], received: NDArray[np.bool_], under: NDArray[np.uint8] | None
) -> NDArray[np.uint8]:
    """Return ``pixels`` ``[h, w, 3]`` or ``[h, w]`` with values where ``received`` ``[h, w]`` is false.

    ``under`` is another picture of the same size, or None: then the mean of what was received takes its place. The
    received pixels stay as they are.
    """
    if received.all():
        return pixels
    planes = np.atleast_3d(pixels).astype(np.float32)
    known = received.astype(np.float32)[..., None]
    below = planes[received].mean(0) if under is None else np.atleast_3d(under).astype(np.float32)
    difference = _extend((planes - below) * known, known, 1.0 if under is None else FADING, NEAR_DOUBLINGS)
    filled = np.clip(np.rint(below + difference), 0, 255).astype(np.uint8).reshape(pixels.shape)
    return np.where(received if pixels.ndim == 2 else received[..., None], pixels, filled)


def _extend(sums: Floats, weights: Floats, fading: float, near: int) -> Floats:
    """Return values for all places: ``sums`` over ``weights`` where they are known, else those of a coarser picture.

    ``sums`` ``[h, w, C]`` are values times their ``weights`` ``[h, w, 1]``, 0 to 1. Values fade only after ``near``
    doublings of the distance.
    """
    height, width = weights.shape[:2]
    if weights.min() >= 1:
        return sums
    if height == width == 1:
        return sums / max(float(weights[0, 0, 0]), 1e-6)
    coarse_sums, coarse_weights = _halve(sums), _halve(weights)
    full: Floats = np.maximum(coarse_weights, np.float32(1))  # a place with enough neighbours is as good as known
    coarse = _extend(coarse_sums / full, coarse_weights / full, fading, near - 1)
    return sums + (1 - weights) * (1.0 if near > 0 else fading) * _resize(coarse, width, height)


def _halve(planes: Floats) -> Floats:
    """Return the sums of 2 × 2 places."""
    height, width = planes.shape[:2]
    even = np.pad(planes, ((0, height % 2), (0, width % 2), (0, 0)))
    halved: Floats = even[0::2, 0::2] + even[1::2, 0::2] + even[0::2, 1::2] + even[1::2, 1::2]
    return halved


def _resize(planes: Floats, width: int, height: int) -> Floats:
    """Return ``planes`` enlarged to twice the size with a triangle filter, cut to ``width`` × ``height``."""
    double = (2 * planes.shape[1], 2 * planes.shape[0])
    enlarged = [
        np.asarray(
            Image.fromarray(np.ascontiguousarray(planes[..., channel])).resize(double, Image.Resampling.BILINEAR)
        )
        for channel in range(planes.shape[2])
    ]
    return np.stack(enlarged, axis=2)[:height, :width]
