"""What networks say of a decoded picture against its original, for the metrics."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from shared.picture import load_picture
from shared.pixels import grey_to_rgb
from shared.torch_imports import TORCH_IMPORTS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from contextlib import AbstractContextManager

    import numpy as np
    from numpy.typing import NDArray

    from receiver.metrics.measures import Measures


class Judge:
    """Perceptual distances and agreement of a classifier, by the networks that are installed; several threads may ask.

    Args:
        loading: what happens around the loading of the networks, given a name.
    """

    def __init__(self, loading: Callable[[str], AbstractContextManager[None]]) -> None:
        self._loading = loading
        self._lock = threading.Lock()
        self._measures: Measures | None = None

    def __call__(self, pixels: NDArray[np.uint8], reference: bytes) -> Mapping[str, float | None]:
        """Return the measures of ``pixels``, ``[H, W, 3]`` or ``[H, W]``, against ``reference``, a picture file."""
        with self._lock:
            if self._measures is None:
                with TORCH_IMPORTS, self._loading("judge"):
                    from receiver.metrics.measures import Measures  # noqa: PLC0415 - imports torch

                    self._measures = Measures()
            measures = self._measures
        return measures.compared(grey_to_rgb(pixels), measures.reference(grey_to_rgb(load_picture(reference).pixels)))
