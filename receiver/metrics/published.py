"""LPIPS (Alex) and DISTS as published, through their own packages, where packages and backbones are on this machine.

Both packages fetch torchvision's backbone when they are made. Whether it is in torch.hub's cache is therefore asked
first: a machine without a network gets an answer at once.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import cast

import torch
from torch import Tensor, nn

from shared.errors import SetupError
from shared.torchvision_import import allow_torchvision

ALEXNET, VGG16 = "alexnet-owt-7be5be79.pth", "vgg16-397923af.pth"


class Distance(nn.Module):
    """A published distance, frozen: two ``[B, 3, H, W]`` pictures, 0 to 1, to ``[B]``."""

    def __init__(self, network: nn.Module, **options: bool) -> None:
        super().__init__()
        self.network = network.requires_grad_(requires_grad=False).eval()
        self._options = options

    def forward(self, picture: Tensor, reference: Tensor) -> Tensor:
        """Return the distances."""
        return cast("Tensor", self.network(picture, reference, **self._options)).flatten()


def lpips_alex() -> Distance:
    """Return LPIPS 0.1 on AlexNet (Zhang et al. 2018).

    Raises:
        SetupError: the package ``lpips`` or AlexNet's weights are missing.
    """
    _require("lpips", "lpips", ALEXNET)
    import lpips  # noqa: PLC0415 - optional

    return Distance(lpips.LPIPS(net="alex", verbose=False), normalize=True)


def dists() -> Distance:
    """Return DISTS (Ding et al. 2020).

    Raises:
        SetupError: the package ``DISTS_pytorch`` or VGG16's weights are missing.
    """
    _require("DISTS_pytorch", "dists-pytorch", VGG16)
    import DISTS_pytorch  # noqa: PLC0415 - optional

    return Distance(DISTS_pytorch.DISTS())


def _require(module: str, package: str, weights: str) -> None:
    if importlib.util.find_spec(module) is None:
        raise SetupError(f"the package {package} is not installed: pip install --no-deps {package}")
    if importlib.util.find_spec("torchvision") is None:
        raise SetupError(f"the package {package} needs torchvision: make setup")
    folder = Path(torch.hub.get_dir()) / "checkpoints"
    if not (folder / weights).is_file():
        raise SetupError(f"torchvision's {weights} is not in torch.hub's cache: put it into checkpoints/ there")
    allow_torchvision()
