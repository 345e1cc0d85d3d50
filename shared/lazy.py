"""An object that takes seconds to make and is not always needed, made at its first use."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Generic, TypeVar

from shared.torch_imports import TORCH_IMPORTS

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")


class Lazy(Generic[T]):
    """Makes one thing when it is first asked for, and keeps it; several threads may ask. A failure is not kept."""

    def __init__(self, make: Callable[[], T]) -> None:
        """Have ``make`` called at the first call; it may import torch."""
        self._make = make
        self._lock = threading.Lock()
        self._made: T | None = None

    def __call__(self) -> T:
        """Return it, and raise what ``make`` raises."""
        with self._lock:
            if self._made is None:
                with TORCH_IMPORTS:
                    self._made = self._make()
            return self._made
