"""What every codec of an evaluation does, and how a baseline fills a byte budget."""

from __future__ import annotations

import io
import math
from typing import TYPE_CHECKING, Protocol

import numpy as np
from PIL import Image

from shared.errors import BudgetError, DataError
from shared.hci.stream import down_sampled, upsample

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    EncodeAt = Callable[[NDArray[np.uint8], int], bytes]

BASELINE_SCALES = (1, 2, 3, 4, 6, 8)
"""Fractions of the picture's size that a baseline tries, the largest first."""
MIN_BASELINE_SIDE = 16
"""x265 codes nothing smaller."""


class EvaluatedCodec(Protocol):
    """Picture to bytes and back. Pictures are ``[H, W, 3]`` uint8; the picture's size need not be in the bytes.

    ``name`` is what the user wrote. Codecs with the same ``coder`` make the same bytes and differ in decoding only.
    """

    @property
    def name(self) -> str:
        """As the user wrote it."""
        ...

    @property
    def coder(self) -> str:
        """Names what makes the bytes."""
        ...

    @property
    def suffix(self) -> str:
        """Ending of the file, with its dot."""
        ...

    def encode(self, pixels: NDArray[np.uint8], budget_bytes: int) -> bytes:
        """Return the file, at most ``budget_bytes`` long.

        Raises:
            BudgetError: nothing fits.
        """
        ...

    def decode(self, data: bytes, width: int, height: int) -> NDArray[np.uint8]:
        """Return the picture, ``[height, width, 3]``.

        Raises:
            DataError: the bytes do not decode to a picture.
        """
        ...


def files_fitting(
    pixels: NDArray[np.uint8],
    budget_bytes: int,
    qualities: int,
    encode_at: EncodeAt,
    scales: tuple[int, ...] = BASELINE_SCALES,
) -> Iterator[bytes]:
    """Yield, for each of ``scales`` that fits, the file of the highest quality, 0 to ``qualities`` - 1, that fits.

    Raises:
        BudgetError: not even the lowest quality of the smallest picture fits.
    """
    fewest, none = 0, True
    for scale in scales:
        small = down_sampled(pixels, scale)
        if min(small.shape[:2]) < MIN_BASELINE_SIDE:
            break
        best = encode_at(small, 0)
        fewest = min(len(best), fewest or len(best))
        if len(best) > budget_bytes:
            continue
        low, high, none = 0, qualities, False
        while high - low > 1:
            middle = (low + high) // 2
            data = encode_at(small, middle)
            if len(data) <= budget_bytes:
                low, best = middle, data
            else:
                high = middle
        yield best
    if none:
        raise BudgetError(f"{budget_bytes} bytes are too few for this picture; it takes {fewest} or more")


def nearest_fitting(
    codec: EvaluatedCodec, pixels: NDArray[np.uint8], budget_bytes: int, qualities: int, encode_at: EncodeAt
) -> bytes:
    """Return the file within the budget that decodes nearest to ``pixels`` (mean squared error).

    The largest picture of which anything fits comes first, smaller ones follow while they are nearer: close to its
    floor a codec does better with fewer pixels.

    Raises:
        BudgetError: not even the lowest quality of the smallest picture fits.
    """
    height, width = pixels.shape[:2]
    best, least = b"", math.inf
    for data in files_fitting(pixels, budget_bytes, qualities, encode_at):
        error = float(np.mean((codec.decode(data, width, height).astype(np.int32) - pixels) ** 2))
        if error >= least:
            break
        best, least = data, error
    return best


def enlarged(small: NDArray[np.uint8], width: int, height: int) -> NDArray[np.uint8]:
    """Return ``small`` at ``width`` × ``height`` (Lanczos), itself if it has that size."""
    return small if small.shape[:2] == (height, width) else upsample(small, width, height)


def picture_in(data: bytes, kind: str) -> NDArray[np.uint8]:
    """Return ``[h, w, 3]`` of a file that Pillow reads as ``kind``.

    Raises:
        DataError: it does not.
    """
    try:
        with Image.open(io.BytesIO(data), formats=[kind]) as image:
            return np.array(image.convert("RGB"))
    except OSError as error:
        raise DataError(f"this {kind} file does not decode: {error}") from error
