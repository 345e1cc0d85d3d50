"""The parts of CompressAI that the recipes use, imported so that a CPU build of torch suffices."""

from __future__ import annotations

from shared.torchvision_import import allow_torchvision

allow_torchvision()

from compressai.entropy_models import EntropyBottleneck, GaussianConditional  # noqa: E402
from compressai.ops import LowerBound  # noqa: E402

__all__ = ["EntropyBottleneck", "GaussianConditional", "LowerBound"]
