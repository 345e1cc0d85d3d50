"""The parts of CompressAI that the recipe uses, imported so that a CPU build of torch suffices."""

from __future__ import annotations

import torch


def _define_torchvision_operators() -> list[torch.library.Library]:
    """Declare the two operators whose absence makes ``import torchvision`` fail beside a CPU build of torch.

    CompressAI imports torchvision; torchvision's wheel is built for the CUDA build of torch, so its compiled
    operators do not load here, and its Python code then registers fake kernels for operators that do not exist.
    """
    libraries = []
    for name in ("nms", "qnms"):
        if not hasattr(torch.ops.torchvision, name):
            library = torch.library.Library("torchvision", "FRAGMENT")  # type: ignore[no-untyped-call]
            library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")  # type: ignore[no-untyped-call]
            libraries.append(library)
    return libraries


# The definitions live as long as these objects.
_LIBRARIES = _define_torchvision_operators()

from compressai.entropy_models import GaussianConditional  # noqa: E402
from compressai.ops import LowerBound  # noqa: E402

__all__ = ["GaussianConditional", "LowerBound"]
