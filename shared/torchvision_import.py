"""Makes torchvision's wheel importable beside a CPU build of torch, for libraries that import it along the way."""

from __future__ import annotations

import functools

import torch


@functools.cache
def allow_torchvision() -> tuple[torch.library.Library, ...]:
    """Declare the operators whose absence makes ``import torchvision`` fail beside a CPU build of torch.

    torchvision's wheel is built for the CUDA build of torch, so its compiled operators do not load beside a CPU build,
    and its Python code then registers fake kernels for operators that do not exist. CompressAI imports it always,
    diffusers where it is installed. The declarations live as long as what is returned.
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
