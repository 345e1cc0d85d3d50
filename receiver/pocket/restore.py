"""From the received HCI to the restorer's input."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from receiver.pocket.sizes import quarter_size
from shared.hci.stream import upsample

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor


def planes_of(pixels: NDArray[np.uint8]) -> Tensor:
    """Return ``pixels`` ``[H, W, 3]`` or grey ``[H, W]``, uint8, as float32 planes ``[3, H, W]``, 0 to 1."""
    colour = pixels if pixels.ndim == 3 else np.repeat(pixels[..., None], 3, axis=2)
    return torch.from_numpy(colour.astype(np.float32).transpose(2, 0, 1) / 255)


def restorer_input(hci: NDArray[np.uint8], width: int, height: int) -> Tensor:
    """Return ``hci`` at quarter size of a picture of ``width`` × ``height``: ``[3, ceil(H / 4), ceil(W / 4)]``."""
    return planes_of(upsample(hci, *quarter_size(width, height)))


def pixels_of(planes: Tensor, *, grey: bool) -> NDArray[np.uint8]:
    """Return ``planes`` ``[3, H, W]``, 0 to 1 and beyond, as uint8 ``[H, W, 3]``; ``grey``: their mean ``[H, W]``."""
    levels = (planes.mean(0) if grey else planes.permute(1, 2, 0)).mul(255).round().clamp(0, 255)
    return levels.to(torch.uint8).cpu().contiguous().numpy()
