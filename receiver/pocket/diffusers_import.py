"""The parts of diffusers that the decoder uses, imported so that an unusable torchvision does not matter."""

from __future__ import annotations

from shared.torchvision_import import allow_torchvision

allow_torchvision()

from diffusers import AutoencoderDC, ConfigMixin, ControlNetModel, ModelMixin, UNet2DConditionModel  # noqa: E402
from diffusers.configuration_utils import register_to_config  # noqa: E402

__all__ = [
    "AutoencoderDC",
    "ConfigMixin",
    "ControlNetModel",
    "ModelMixin",
    "UNet2DConditionModel",
    "register_to_config",
]
