"""Names of the devices that networks compute on, checked without torch, which takes seconds to import."""

from __future__ import annotations

import ctypes
import importlib.metadata
import re
import sys

from shared.errors import SetupError
from shared.validation import short_repr

_NAME = re.compile(r"cpu|cuda(:\d{1,3})?|mps")


def check_device_name(name: str) -> None:
    """Check that ``name`` is "cpu", "cuda", "cuda:N" or "mps" (the GPU of a Mac), or empty.

    Raises:
        SetupError: it is something else.
    """
    if name and not _NAME.fullmatch(name):
        raise SetupError(f"unknown device {short_repr(name)}; there are cpu, cuda, cuda:N and mps")


def check_device(name: str) -> None:
    """Check that this machine may have the device ``name``; only torch knows for certain, once it is imported.

    Raises:
        SetupError: there is no such device, torch was built without it, or its driver is not installed.
    """
    check_device_name(name)
    if name == "mps" and sys.platform != "darwin":
        raise SetupError("device 'mps' is not there: it is the GPU of a Mac; use cpu")
    if name.startswith("cuda"):
        build = _torch_build()
        if build == "cpu":
            raise SetupError(f"device '{name}' is not there: this torch is built for the CPU; use cpu")
        if not build.startswith("rocm") and not _has_cuda_driver():
            raise SetupError(f"device '{name}' is not there: no CUDA driver is installed; use cpu")


def _torch_build() -> str:
    """Return the build in torch's version, as "cpu" or "rocm6.4"; empty for the build of the package index."""
    try:
        return importlib.metadata.version("torch").partition("+")[2]
    except importlib.metadata.PackageNotFoundError:
        return ""


def _has_cuda_driver() -> bool:
    try:
        ctypes.CDLL("nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1")
    except OSError:
        return False
    return True
