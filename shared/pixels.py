"""Converts pictures between arrays and tensors, and grey to RGB."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from shared.errors import PictureError

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor


def require_pixels(pixels: NDArray[np.uint8]) -> None:
    """Check that ``pixels`` are uint8 ``[H, W, 3]`` or ``[H, W]``, and not empty.

    Raises:
        PictureError: they are not.
    """
    if pixels.dtype != np.uint8 or (pixels.ndim != 2 and pixels.shape[2:] != (3,)) or not pixels.size:
        raise PictureError(f"a picture of {pixels.dtype} {pixels.shape}: must be uint8 [H, W, 3] or [H, W], not empty")


def grey_to_rgb(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return ``pixels``, ``[H, W, 3]`` or grey ``[H, W]``, as ``[H, W, 3]``; grey becomes three equal channels."""
    return pixels if pixels.ndim == 3 else np.repeat(pixels[:, :, None], 3, axis=2)


def to_tensor(pixels: NDArray[np.uint8]) -> Tensor:
    """Return ``pixels``, uint8 ``[H, W, 3]`` or grey ``[H, W]``, as float32 ``[3, H, W]``, 0 to 1.

    The memory layout stays channels-last, which makes convolutions on a CPU faster.
    """
    import torch  # noqa: PLC0415 - takes a second to import; grey_to_rgb does not need it

    return torch.from_numpy(grey_to_rgb(pixels).astype(np.float32).transpose(2, 0, 1) / 255)


def to_pixels(picture: Tensor, *, grey: bool = False) -> NDArray[np.uint8]:
    """Return ``picture`` ``[3, H, W]``, clipped to 0 to 1, as uint8 ``[H, W, 3]``.

    With ``grey``, return the mean of the channels, ``[H, W]``. Halves round to even.
    """
    import torch  # noqa: PLC0415 - as above

    levels = (picture.mean(0) if grey else picture.permute(1, 2, 0)).mul(255).round().clamp(0, 255)
    values: NDArray[np.uint8] = levels.to(torch.uint8).cpu().contiguous().numpy()
    return values
