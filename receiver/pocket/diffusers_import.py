"""The parts of diffusers that the decoder uses, imported without the rest, which takes four times as long.

With one model diffusers imports all others of its folder, every scheduler with scipy, transformers and torch's
compiler. The decoder uses none of them. An unusable torchvision does not matter.
"""

from __future__ import annotations

from shared.deferred_imports import defer, replace, stand_in_compiler
from shared.torch_imports import TORCH_IMPORTS
from shared.torchvision_import import allow_torchvision

NOT_RUN = (
    *(f"diffusers.models.{folder}" for folder in ("autoencoders", "controlnets", "transformers", "unets")),
    *("diffusers.hooks", "scipy.integrate", "scipy.stats"),
)
OPTIONAL = ("transformers", "peft")

with TORCH_IMPORTS, defer(*NOT_RUN):
    allow_torchvision()
    with replace({**dict.fromkeys(OPTIONAL), "torch._dynamo": stand_in_compiler()}):
        from diffusers.utils import import_utils

        import_utils._peft_available = False  # noqa: SLF001 - diffusers asks once, perhaps before, what is installed
        from diffusers.configuration_utils import ConfigMixin, register_to_config
        from diffusers.models.autoencoders.autoencoder_dc import AutoencoderDC
        from diffusers.models.controlnets.controlnet import ControlNetModel
        from diffusers.models.modeling_utils import ModelMixin
        from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel

    # What is imported from diffusers later may use both. It has no public way to ask again.
    for name in OPTIONAL:
        available, version = import_utils._is_package_available(name)  # noqa: SLF001
        setattr(import_utils, f"_{name}_available", available)
        setattr(import_utils, f"_{name}_version", version)

__all__ = [
    "AutoencoderDC",
    "ConfigMixin",
    "ControlNetModel",
    "ModelMixin",
    "UNet2DConditionModel",
    "register_to_config",
]
