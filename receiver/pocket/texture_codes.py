"""Residual tokens of a picture: which texture the restorer lost, by blocks of 32 × 32 pixels.

Of a block, 448 numbers say how much energy each channel of VGG16's first three blocks of layers has (the logarithm of
its mean). Their difference between picture and restored picture is projected on ten principal components; a code is the
nearest of 32 cluster centres (``training/pocket/codebook.py``). Sender and training compute the same codes.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, cast

import numpy as np
import torch
from torch.nn import functional

from receiver.metrics.perceptual import load_distance
from receiver.pocket.tiles import Tiling, add_tiled
from shared.errors import SetupError
from shared.residual.stream import STRIDE

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray
    from torch import Tensor, nn

    from receiver.metrics.perceptual import Lpips, Vgg16Features

CODEBOOK = "codebook.npz"
"""The codebook's file in the folder of the decoder's weights."""
FEATURES = 64 + 128 + 256
TILING = Tiling(1024, 128, STRIDE)
"""VGG16's maps of a larger picture would not fit into the memory; the overlap is three times the network's reach."""
FLOOR = 0.02
"""Added to a mean before its logarithm is taken: below it, a channel counts as silent."""


class TextureEnergy:
    """Log energies of VGG16's channels per block of 32 × 32 pixels."""

    def __init__(self, device: str = "cpu") -> None:
        self._lpips = cast("Lpips", load_distance("lpips_vgg")).to(device)

    @torch.inference_mode()
    def __call__(self, picture: Tensor) -> Tensor:
        """Return ``[B, 448, H / 32, W / 32]`` for ``picture`` ``[B, 3, H, W]``, 0 to 1, sides multiples of 32."""
        batch, _, height, width = picture.shape
        blank = torch.zeros(batch, FEATURES, height // STRIDE, width // STRIDE, device=picture.device)
        return add_tiled(blank, self._measure, picture, TILING, Fraction(1, STRIDE))

    def _measure(self, picture: Tensor) -> Tensor:
        x = (picture * 2 - 1 - self._lpips.shift) / self._lpips.scale
        energies = []
        blocks = cast("Vgg16Features", self._lpips.network).blocks
        for index, block in enumerate(blocks[:3]):
            x = functional.max_pool2d(x, 2) if index else x
            for conv in cast("nn.ModuleList", block):
                x = functional.relu(conv(x))
            energies.append(torch.log(functional.avg_pool2d(x, STRIDE >> index) + FLOOR))
        return torch.cat(energies, 1)


@dataclass(frozen=True)
class Codebook:
    """``mean`` ``[F]``, ``components`` ``[F, 10]`` and ``centres`` ``[32, 10]`` of the clusters."""

    mean: NDArray[np.float32]
    components: NDArray[np.float32]
    centres: NDArray[np.float32]

    def assign(self, differences: NDArray[np.float32]) -> NDArray[np.uint8]:
        """Return the nearest code ``[...]`` of each difference ``[..., F]``."""
        points = (differences - self.mean) @ self.components
        distances = np.square(points[..., None, :] - self.centres).sum(-1)
        codes: NDArray[np.uint8] = distances.argmin(-1).astype(np.uint8)
        return codes

    def save(self, path: Path) -> None:
        """Write the codebook as ``.npz``."""
        np.savez(path, mean=self.mean, components=self.components, centres=self.centres)

    @classmethod
    def load(cls, path: Path) -> Codebook:
        """Return the codebook in ``path``.

        Raises:
            SetupError: the file is missing or damaged.
        """
        try:
            with np.load(path) as arrays:
                return cls(arrays["mean"], arrays["components"], arrays["centres"])
        except (OSError, KeyError, ValueError) as error:
            raise SetupError(f"{path} holds no codebook of residual tokens: train the refiner") from error
