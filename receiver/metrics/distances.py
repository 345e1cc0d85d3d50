"""The two common forms of perceptual distance, over any network's feature maps. Lower is nearer; 0 is equal.

The published LPIPS and DISTS also weight channels, by weights fitted to opinions on their own backbones. Here every
layer counts the same, and within a layer every channel.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

EPSILON = 1e-6


def lpips_form(maps: Sequence[Tensor], references: Sequence[Tensor]) -> Tensor:
    """Return ``[B]``: squared differences of unit feature vectors (Zhang et al. 2018, eq. 1, equal weights).

    ``maps`` and ``references`` hold one ``[B, C, H, W]`` per layer.
    """
    layers = []
    for layer, reference in zip(maps, references, strict=True):
        difference = _unit(layer) - _unit(reference)
        layers.append(difference.square().sum(1).mean((1, 2)))
    return torch.stack(layers).mean(0)


def dists_form(maps: Sequence[Tensor], references: Sequence[Tensor]) -> Tensor:
    """Return ``[B]``: 1 - mean of texture and structure similarity (Ding et al. 2020, eq. 5 and 6, equal weights).

    ``maps`` and ``references`` hold one ``[B, C, H, W]`` per layer; the first may be the picture itself.
    """
    layers = []
    for layer, reference in zip(maps, references, strict=True):
        x, y = layer.float(), reference.float()
        mean_x, mean_y = x.mean((2, 3)), y.mean((2, 3))
        variance_x, variance_y = x.var((2, 3), correction=0), y.var((2, 3), correction=0)
        covariance = (x * y).mean((2, 3)) - mean_x * mean_y
        texture = (2 * mean_x * mean_y + EPSILON) / (mean_x.square() + mean_y.square() + EPSILON)
        structure = (2 * covariance + EPSILON) / (variance_x + variance_y + EPSILON)
        layers.append((texture + structure).mean(1) / 2)
    return 1 - torch.stack(layers).mean(0)


def _unit(layer: Tensor) -> Tensor:
    """Return ``layer`` with every position's feature vector at length 1."""
    layer = layer.float()
    return layer / (layer.square().sum(1, keepdim=True) + EPSILON).sqrt()
