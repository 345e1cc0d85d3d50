"""The interface that every HCI coder implements."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from numpy.typing import NDArray

MIN_SMALL_SIDE: Final = 8
AV1_MAX_SIDE: Final = 4096
LEARNED_MAX_SIDE: Final = 2048
"""Limits of a small picture's side in pixels: the minimum of both coders, and the maximum of each."""
COMPRESSAI_VARIABLE: Final = "SEMLINK_COMPRESSAI"
"""Environment variable with the folder of the weights of ``shared/hci/pretrained.py``."""


class HciCoder(Protocol):
    """Codes one small picture. ``decode`` inverts ``encode`` bit-exactly on any machine.

    ``qualities`` is a range of integers, coarse to fine. A larger quality should not take fewer bytes, so that
    ``encode_within`` finds the best quality within a byte budget.
    """

    name: str
    qualities: range

    def encode(self, small: NDArray[np.uint8], quality: int) -> bytes:
        """Code ``small`` (``[h, w, 3]`` RGB or ``[h, w]`` grey, uint8) at ``quality`` and return its payload."""
        ...

    def prepare(self, small: NDArray[np.uint8]) -> Callable[[int], bytes]:
        """Return ``encode`` of ``small`` as a function of the quality; what any quality needs is computed once."""
        ...

    def encode_within(self, small: NDArray[np.uint8], max_bytes: int) -> bytes:
        """Return the payload of the highest quality within ``max_bytes``, or that of the lowest if none fits."""
        ...

    def decode(self, payload: bytes, width: int, height: int, *, grey: bool) -> NDArray[np.uint8]:
        """Return the small picture of ``width`` × ``height`` pixels, ``[h, w, 3]`` or, if ``grey``, ``[h, w]``.

        Raises:
            BitstreamError: the payload was not made by ``encode`` for a picture of this size.
        """
        ...
