"""EfficientNet feature distance: what the sender's trials compare pictures by. It is no published measure of quality.

The formula is that of LPIPS (Zhang et al. 2018, equation 1) with equal weights for all channels and layers, on the
feature maps of EfficientNet-Lite2. Tables show published distances (``receiver.metrics.perceptual``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

EPSILON = 1e-6


def feature_distance(maps: Sequence[Tensor], references: Sequence[Tensor]) -> Tensor:
    """Return ``[B]``: the mean over layers and positions of squared differences of unit feature vectors.

    ``maps`` and ``references`` hold one ``[B, C, H, W]`` per layer.
    """
    layers = []
    for layer, reference in zip(maps, references, strict=True):
        difference = _unit(layer) - _unit(reference)
        layers.append(difference.square().sum(1).mean((1, 2)))
    return torch.stack(layers).mean(0)


def _unit(layer: Tensor) -> Tensor:
    """Return ``layer`` with every position's feature vector at length 1."""
    layer = layer.float()
    return layer / (layer.square().sum(1, keepdim=True) + EPSILON).sqrt()
