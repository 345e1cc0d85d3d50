"""diffusers and transformers, imported so that any build of torchvision will do."""

from __future__ import annotations

from shared.torch_imports import TORCH_IMPORTS
from shared.torchvision_import import allow_torchvision

with TORCH_IMPORTS:
    allow_torchvision()
    import diffusers
    import transformers

__all__ = ["diffusers", "transformers"]
