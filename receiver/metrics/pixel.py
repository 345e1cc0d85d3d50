"""Pixel measures against the original: PSNR and MS-SSIM."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from shared.errors import InputError
from shared.pixels import grey_to_rgb

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

MS_SSIM_MIN_SIDE = 161
"""Five scales halve the picture four times, and the 11-tap window must still fit: side > (11 - 1) * 2^4."""
MAX_PSNR_DB = 100.0
"""Limit of the PSNR, which is infinite for equal pictures: means and differences stay finite."""


@dataclass(frozen=True, slots=True)
class Quality:
    """Both measures. ``psnr_db`` is 100 for equal pictures; ``ms_ssim`` is None if a side is too short."""

    psnr_db: float
    ms_ssim: float | None


def quality(pixels: NDArray[np.uint8], reference: NDArray[np.uint8]) -> Quality:
    """Return PSNR over all channels and MS-SSIM of ``pixels`` against ``reference``, both ``[H, W, 3]`` or ``[H, W]``.

    Raises:
        InputError: the pictures differ in size.
    """
    check_same_size(pixels.shape, reference.shape)
    pixels, reference = grey_to_rgb(pixels), grey_to_rgb(reference)
    return Quality(psnr_db(pixels, reference), ms_ssim(pixels, reference))


def check_same_size(received: Sequence[int], reference: Sequence[int]) -> None:
    """Check that two pictures have the same height and width, the first two numbers of each shape.

    Raises:
        InputError: they differ.
    """
    (height, width), (ref_height, ref_width) = received[:2], reference[:2]
    if (height, width) != (ref_height, ref_width):
        raise InputError(
            f"the reference is {ref_width}x{ref_height} pixels, the received picture {width}x{height}: "
            "send the picture that was encoded"
        )


def psnr_db(pixels: NDArray[np.uint8], reference: NDArray[np.uint8]) -> float:
    """Return 10 log10(255² / MSE), at most ``MAX_PSNR_DB``. The mean is taken over all pixels and channels."""
    squared = (pixels.astype(np.int32) - reference.astype(np.int32)) ** 2
    mse = float(squared.mean())
    return MAX_PSNR_DB if mse == 0 else min(MAX_PSNR_DB, 10 * math.log10(255**2 / mse))


def ms_ssim(pixels: NDArray[np.uint8], reference: NDArray[np.uint8]) -> float | None:
    """Return MS-SSIM (Wang, Simoncelli, Bovik 2003) with five scales, averaged over channels; None below 161 pixels.

    Both are uint8 ``[H, W, 3]``.
    """
    if min(pixels.shape[:2]) < MS_SSIM_MIN_SIDE:
        return None
    import torch  # noqa: PLC0415 - a second to import
    from pytorch_msssim import ms_ssim as ms_ssim_of  # noqa: PLC0415

    def batch(values: NDArray[np.uint8]) -> torch.Tensor:
        return torch.from_numpy(values.astype(np.float32)).permute(2, 0, 1)[None]

    with torch.inference_mode():
        return float(ms_ssim_of(batch(pixels), batch(reference), data_range=255.0))
