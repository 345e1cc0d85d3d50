"""Patch-FID: the Fréchet distance between the features of 64-pixel patches (Heusel et al. 2017, eq. 6).

As in HiFiC (Mentzer et al. 2020, appendix A.7, with 256-pixel patches), the picture is cut into a grid, and again into
a grid that is shifted by half a patch. Small patches compensate for few pictures. Features are those of
EfficientNet-Lite0, not of Inception: figures compare with each other, not with published ones.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

    from shared.efficientnet import EfficientNetLite

PATCH_SIDE = 64
BATCH = 64


def cut_patches(picture: Tensor) -> Tensor:
    """Return ``[N, 3, 64, 64]``: both grids over ``picture`` ``[3, H, W]``, without remainders."""
    half = PATCH_SIDE // 2
    return torch.cat([_grid(picture), _grid(picture[:, half:, half:])])


def patch_features(network: EfficientNetLite, picture: Tensor) -> NDArray[np.float32]:
    """Return the features ``[N, 320]`` of all patches of ``picture`` ``[3, H, W]``, 0 to 1."""
    with torch.inference_mode():
        device = next(network.parameters()).device
        parts = [network.patch_features(part.to(device)) for part in torch.split(cut_patches(picture), BATCH)]
    return torch.cat(parts).float().cpu().numpy()


def frechet_distance(features: NDArray[np.float32], references: NDArray[np.float32]) -> float | None:
    """Return the Fréchet distance of two sets of features ``[N, C]``; None if a set has fewer than two patches.

    The trace of the square root comes from eigenvalues of symmetric matrices: they stay real if the sets are small and
    the covariances singular.
    """
    if min(len(features), len(references)) < 2:
        return None
    (mean, covariance), (ref_mean, ref_covariance) = _moments(features), _moments(references)
    values, vectors = np.linalg.eigh(ref_covariance)
    root = (vectors * np.sqrt(values.clip(0))) @ vectors.T
    cross = np.sqrt(np.linalg.eigvalsh(root @ covariance @ root).clip(0)).sum()
    distance = ((mean - ref_mean) ** 2).sum() + np.trace(covariance) + np.trace(ref_covariance) - 2 * cross
    return max(float(distance), 0.0)


def _grid(picture: Tensor) -> Tensor:
    rows, columns = picture.shape[1] // PATCH_SIDE, picture.shape[2] // PATCH_SIDE
    whole = picture[:, : rows * PATCH_SIDE, : columns * PATCH_SIDE]
    cells = whole.reshape(3, rows, PATCH_SIDE, columns, PATCH_SIDE)
    return cells.permute(1, 3, 0, 2, 4).reshape(-1, 3, PATCH_SIDE, PATCH_SIDE)


def _moments(features: NDArray[np.float32]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    wide = features.astype(np.float64)
    return wide.mean(0), np.cov(wide, rowvar=False)
