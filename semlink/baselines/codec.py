"""The interface of a codec in an evaluation, and how a classical codec fills a byte budget."""

from __future__ import annotations

import io
import math
from typing import TYPE_CHECKING, Final, Protocol

import numpy as np
from PIL import Image

from shared.errors import BudgetError, DataError
from shared.hci.stream import downsample, upsample

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    EncodeAt = Callable[[NDArray[np.uint8], int], bytes]

BASELINE_SCALES: Final = (1, 2, 3, 4, 6, 8)
"""Factors by which a classical codec tries to reduce the picture, the full size first."""
MIN_BASELINE_SIDE: Final = 16
"""The smallest side that x265 encodes."""


class PictureCodec(Protocol):
    """Encodes a picture to a file and decodes it. Pictures are ``[H, W, 3]`` uint8.

    The file need not hold the picture's size: ``decode`` gets it.
    """

    @property
    def name(self) -> str:
        """The codec as the user wrote it."""
        ...

    @property
    def coder(self) -> str:
        """Name of the encoder. Codecs with the same encoder make the same file and differ in decoding only."""
        ...

    @property
    def suffix(self) -> str:
        """Ending of the file's name, with its dot."""
        ...

    def encode(self, pixels: NDArray[np.uint8], max_bytes: int) -> bytes:
        """Return the file, at most ``max_bytes`` long.

        Raises:
            BudgetError: no file fits.
        """
        ...

    def decode(self, data: bytes, width: int, height: int) -> NDArray[np.uint8]:
        """Return the picture ``[height, width, 3]`` of a file.

        Raises:
            DataError: ``data`` is not a file of this codec.
        """
        ...


def fit_files(
    pixels: NDArray[np.uint8],
    max_bytes: int,
    qualities: int,
    encode_at: EncodeAt,
    scales: tuple[int, ...] = BASELINE_SCALES,
) -> Iterator[bytes]:
    """Yield one file per scale that fits the budget: the one of the highest quality, 0 to ``qualities`` - 1, that fits.

    Raises:
        BudgetError: the lowest quality at the smallest scale does not fit.
    """
    fewest_bytes, any_fits = 0, False
    for scale in scales:
        small = downsample(pixels, scale)
        if min(small.shape[:2]) < MIN_BASELINE_SIDE:
            break
        best = encode_at(small, 0)
        fewest_bytes = min(len(best), fewest_bytes or len(best))
        if len(best) > max_bytes:
            continue
        low, high, any_fits = 0, qualities, True
        while high - low > 1:
            middle = (low + high) // 2
            data = encode_at(small, middle)
            if len(data) <= max_bytes:
                low, best = middle, data
            else:
                high = middle
        yield best
    if not any_fits:
        raise BudgetError(f"{max_bytes} bytes are too few for this picture; it takes {fewest_bytes} or more")


def encode_nearest(
    codec: PictureCodec, pixels: NDArray[np.uint8], max_bytes: int, qualities: int, encode_at: EncodeAt
) -> bytes:
    """Return the file within the budget whose decoded picture has the least mean squared error.

    Scales are tried from the full size down, as long as the error falls: near its lowest rate, a codec does better with
    fewer pixels.

    Raises:
        BudgetError: the lowest quality at the smallest scale does not fit.
    """
    height, width = pixels.shape[:2]
    best, least_error = b"", math.inf
    for data in fit_files(pixels, max_bytes, qualities, encode_at):
        error = float(np.mean((codec.decode(data, width, height).astype(np.int32) - pixels) ** 2))
        if error >= least_error:
            break
        best, least_error = data, error
    return best


def enlarge(small: NDArray[np.uint8], width: int, height: int) -> NDArray[np.uint8]:
    """Return ``small`` ``[h, w, 3]`` as ``[height, width, 3]`` (Lanczos); unchanged if it has that size already."""
    return small if small.shape[:2] == (height, width) else upsample(small, width, height)


def read_image(data: bytes, format_name: str) -> NDArray[np.uint8]:
    """Return ``[h, w, 3]`` of a file in a format that Pillow calls ``format_name``.

    Raises:
        DataError: the file does not decode.
    """
    try:
        with Image.open(io.BytesIO(data), formats=[format_name]) as image:
            return np.array(image.convert("RGB"))
    except OSError as error:
        raise DataError(f"this {format_name} file does not decode: {error}") from error
