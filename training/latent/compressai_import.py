"""The parts of CompressAI that the recipe uses, imported so that a CPU build of torch suffices."""

from __future__ import annotations

from shared.torchvision_import import allow_torchvision

allow_torchvision()

from compressai.entropy_models import EntropyBottleneck  # noqa: E402

__all__ = ["EntropyBottleneck"]
