"""The first codebook of the semantic tokens: clusters of what the restorer lost, by blocks of 32 × 32 pixels.

Of a block, 320 numbers say how much energy each channel of VGG16's first three blocks of layers has (the logarithm of
its mean). Their difference between picture and restored picture is projected on ten principal components and clustered.
A code therefore says which texture is missing, from the first step of training on. Codes that are learned together with
the decoder collapse instead: the decoder does not learn to read what says nothing yet.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import numpy as np
import torch
from scipy.cluster.vq import kmeans2
from torch.nn import functional

from receiver.metrics.perceptual import load_distance
from receiver.pocket.refiner import CODE_COUNT, CODE_STRIDE
from shared.errors import SetupError

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray
    from torch import Tensor, nn

    from receiver.metrics.perceptual import Lpips, Vgg16Features

COMPONENTS = 10
FLOOR = 0.02
"""Added to a mean before its logarithm is taken: below it, a channel counts as silent."""
ITERATIONS = 30
MAX_SAMPLES = 60_000


class TextureEnergy:
    """Log energies of VGG16's channels per block of 32 × 32 pixels."""

    def __init__(self, device: str = "cpu") -> None:
        self._lpips = cast("Lpips", load_distance("lpips_vgg")).to(device)

    @torch.inference_mode()
    def __call__(self, picture: Tensor) -> Tensor:
        """Return ``[B, 448, H / 32, W / 32]`` for ``picture`` ``[B, 3, H, W]``, 0 to 1, sides multiples of 32."""
        x = (picture * 2 - 1 - self._lpips.shift) / self._lpips.scale
        energies = []
        blocks = cast("Vgg16Features", self._lpips.network).blocks
        for index, block in enumerate(blocks[:3]):
            x = functional.max_pool2d(x, 2) if index else x
            for conv in cast("nn.ModuleList", block):
                x = functional.relu(conv(x))
            energies.append(torch.log(functional.avg_pool2d(x, CODE_STRIDE >> index) + FLOOR))
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
            raise SetupError(f"{path} holds no codebook: delete it, and the refiner's stage makes it anew") from error


def fit_codebook(differences: NDArray[np.float32], seed: int = 1) -> Codebook:
    """Return the codebook of ``differences`` ``[N, F]``: principal components, then k-means (Lloyd 1982)."""
    rng = np.random.default_rng(seed)
    chosen = rng.permutation(len(differences))[:MAX_SAMPLES]
    sample = differences[np.sort(chosen)].astype(np.float64)
    mean = sample.mean(0)
    _, vectors = np.linalg.eigh(np.cov(sample - mean, rowvar=False))
    components = vectors[:, ::-1][:, :COMPONENTS]
    centres, _ = kmeans2((sample - mean) @ components, CODE_COUNT, iter=ITERATIONS, minit="++", rng=rng)
    return Codebook(mean.astype(np.float32), components.astype(np.float32), centres.astype(np.float32))


def entropy_bits(codes: NDArray[np.uint8]) -> float:
    """Return the entropy of ``codes`` in bits, without context."""
    share = np.bincount(codes.ravel(), minlength=CODE_COUNT) / codes.size
    return float(-(share[share > 0] * np.log2(share[share > 0])).sum())
