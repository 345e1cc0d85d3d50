"""Loads an object at its first use."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Generic, TypeVar

from shared.torch_imports import TORCH_IMPORTS

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")


class Lazy(Generic[T]):
    """Loads one object at the first call and returns the same object from then on.

    Several threads may call it; the object is loaded once. After a failure, the next call tries again.
    """

    def __init__(self, load: Callable[[], T]) -> None:
        """Store ``load``. It runs at the first call and may import torch."""
        self._load = load
        self._lock = threading.Lock()
        self._value: T | None = None

    def __call__(self) -> T:
        """Return the object. Raises what ``load`` raises."""
        with self._lock:
            if self._value is None:
                with TORCH_IMPORTS:
                    self._value = self._load()
            return self._value
