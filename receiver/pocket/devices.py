"""The number type that the networks compute in on a device."""

from __future__ import annotations

import torch


def compute_dtype(device: torch.device) -> torch.dtype:
    """Return bfloat16 if ``device`` computes it in hardware, else float32."""
    if device.type == "cuda":
        native = torch.cuda.get_device_capability(device) >= (8, 0)
    elif device.type == "cpu":
        native = torch.cpu._is_avx512_bf16_supported()  # noqa: SLF001 - torch has no public name for it
    else:
        native = False
    return torch.bfloat16 if native else torch.float32


def autocast(device: torch.device) -> torch.autocast:
    """Return the context in which the networks compute on ``device`` in ``compute_dtype``, with float32 weights."""
    return torch.autocast(device.type, torch.bfloat16, enabled=compute_dtype(device) is torch.bfloat16)
