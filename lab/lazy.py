"""What takes seconds to load and is not always needed."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Generic, TypeVar

from shared.torch_imports import TORCH_IMPORTS

if TYPE_CHECKING:
    from collections.abc import Callable

    from receiver.pocket.decoder import PocketDecoder

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


def pocket_decoder(device: str = "") -> Lazy[PocketDecoder]:
    """Return the receiver's decoder for trials at the sender, on ``device``; the empty one is its own choice."""

    def loaded() -> PocketDecoder:
        from receiver.pocket.decoder import PocketDecoder  # noqa: PLC0415 - imports torch

        decoder = PocketDecoder(device)
        decoder.load()
        return decoder

    return Lazy(loaded)
