"""LPIPS (Alex) and DISTS as published, through their own packages, where packages and backbones are on this machine.

Both packages fetch torchvision's backbone when they are made. Whether it is in torch.hub's cache is therefore asked
first: a machine without a network gets an answer at once.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING, cast

import torch
from torch import Tensor, nn

from shared.errors import SetupError
from shared.torchvision_import import allow_torchvision

if TYPE_CHECKING:
    from collections.abc import Callable

    Distance = Callable[[Tensor, Tensor], Tensor]

ALEXNET, VGG16 = "alexnet-owt-7be5be79.pth", "vgg16-397923af.pth"


def lpips_alex() -> Distance:
    """Return LPIPS 0.1 on AlexNet (Zhang et al. 2018): two ``[B, 3, H, W]`` pictures, 0 to 1, to ``[B]``.

    Raises:
        SetupError: the package ``lpips`` or AlexNet's weights are missing.
    """
    _require("lpips", "lpips", ALEXNET)
    import lpips  # noqa: PLC0415 - optional

    network = _frozen(lpips.LPIPS(net="alex", verbose=False))
    return lambda picture, reference: cast("Tensor", network(picture, reference, normalize=True)).flatten()


def dists() -> Distance:
    """Return DISTS (Ding et al. 2020): two ``[B, 3, H, W]`` pictures, 0 to 1, to ``[B]``.

    Raises:
        SetupError: the package ``DISTS_pytorch`` or VGG16's weights are missing.
    """
    _require("DISTS_pytorch", "dists-pytorch", VGG16)
    import DISTS_pytorch  # noqa: PLC0415 - optional

    network = _frozen(DISTS_pytorch.DISTS())
    return lambda picture, reference: cast("Tensor", network(picture, reference)).flatten()


def _require(module: str, package: str, weights: str) -> None:
    if importlib.util.find_spec(module) is None:
        raise SetupError(f"the package {package} is not installed: pip install --no-deps {package}")
    if importlib.util.find_spec("torchvision") is None:
        raise SetupError(f"the package {package} needs torchvision: make train-setup")
    folder = Path(torch.hub.get_dir()) / "checkpoints"
    if not (folder / weights).is_file():
        raise SetupError(f"torchvision's {weights} is not in torch.hub's cache: put it into checkpoints/ there")
    allow_torchvision()


def _frozen(network: nn.Module) -> nn.Module:
    return network.requires_grad_(requires_grad=False).eval()
