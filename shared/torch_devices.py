"""The device that networks compute on, as torch knows it."""

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
