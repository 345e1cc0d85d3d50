"""The device that the networks compute on, and their number type on it."""

from __future__ import annotations

import torch

from shared.devices import check_device
from shared.errors import SetupError


def select_device(name: str) -> torch.device:
    """Return the device ``name``: "cpu", "cuda", "cuda:N" or "mps" (the GPU of a Mac).

    "" is CUDA if torch finds a GPU, else the CPU.

    Raises:
        SetupError: there is no such device.
    """
    if not name:
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    check_device(name)
    device = torch.device(name)
    if device.type == "mps" and not torch.backends.mps.is_available():
        raise SetupError("device 'mps' is not there: this torch finds no GPU of a Mac; use cpu")
    if device.type == "cuda":
        count = torch.cuda.device_count()
        if (device.index or 0) >= count:
            raise SetupError(f"device '{name}' is not there: torch sees {count} CUDA devices here; use cpu")
    return device


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
