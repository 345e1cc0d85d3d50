"""diffusers and transformers, imported so that any build of torchvision will do."""

from __future__ import annotations

import contextlib
import logging
import warnings
from typing import TYPE_CHECKING

from shared.torch_imports import TORCH_IMPORTS
from shared.torchvision_import import allow_torchvision

if TYPE_CHECKING:
    from collections.abc import Iterator

with TORCH_IMPORTS:
    allow_torchvision()
    import transformers

    try:
        import diffusers
    except ModuleNotFoundError as error:  # a machine that only sends describes pictures, and generates none
        if error.name != "diffusers":
            raise
        diffusers = None

__all__ = ["diffusers", "quiet", "transformers"]


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Hide progress bars, warnings and notes of both libraries while models load; errors are raised all the same."""
    loggers = [logging.getLogger(name) for name in ("diffusers", "transformers")]
    levels = [one.level for one in loggers]
    bars = [one.utils.logging for one in (transformers, diffusers) if one is not None]
    shown = [one.is_progress_bar_enabled() for one in bars]
    try:
        for one in loggers:
            one.setLevel(logging.CRITICAL)
        for library in bars:
            library.disable_progress_bar()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for one, level in zip(loggers, levels, strict=True):
            one.setLevel(level)
        for library, was_shown in zip(bars, shown, strict=True):
            if was_shown:
                library.enable_progress_bar()
