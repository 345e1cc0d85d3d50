"""Makes ``import torchvision`` work with a CPU build of torch, for libraries that import torchvision."""

from __future__ import annotations

import functools

import torch


@functools.cache
def allow_torchvision() -> tuple[torch.library.Library, ...]:
    """Declare two operators without which ``import torchvision`` fails on a CPU build of torch.

    torchvision's wheel is built for CUDA, so its compiled operators do not load on a CPU build. Its Python code then
    registers fake kernels for operators that do not exist. CompressAI always imports torchvision, diffusers if it is
    installed. The declarations stay in force while the returned objects exist.
    """
    if torch.version.cuda is not None:
        return ()
    libraries = []
    for name in ("nms", "qnms"):
        if not hasattr(torch.ops.torchvision, name):
            library = torch.library.Library("torchvision", "FRAGMENT")  # type: ignore[no-untyped-call]
            library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")  # type: ignore[no-untyped-call]
            libraries.append(library)
    return tuple(libraries)
