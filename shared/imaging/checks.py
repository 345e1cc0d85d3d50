"""The sizes of pictures that the link carries, and one kind of error for every damaged file."""

from __future__ import annotations

import contextlib
import threading
import warnings
from typing import TYPE_CHECKING

from PIL import Image, UnidentifiedImageError

from shared.bitstream import MAX_SIDE, MIN_SIDE
from shared.errors import LinkError, PictureError

if TYPE_CHECKING:
    from collections.abc import Iterator


_warnings = threading.Lock()


def require_size(width: int, height: int) -> None:
    """Check that the link carries pictures of ``width`` x ``height`` pixels.

    Raises:
        PictureError: it does not.
    """
    if not all(MIN_SIDE <= side <= MAX_SIDE for side in (width, height)):
        raise PictureError(
            f"this file is {width}x{height} pixels; the link carries {MIN_SIDE} to {MAX_SIDE} on a side; "
            "resize it first"
        )


def require_tile(width: int, height: int) -> None:
    """Check that a TIFF's tiles are no larger than a picture: 64x64 pixels in a tile of 46336x46336 take 2 GiB.

    Raises:
        PictureError: they are larger.
    """
    if max(width, height) > MAX_SIDE:
        raise PictureError(
            f"this TIFF's tiles are {width}x{height} pixels; at most {MAX_SIDE} on a side; save it as PNG"
        )


@contextlib.contextmanager
def silence_warnings() -> Iterator[None]:
    """Ignore the warnings of Pillow and astropy, which would print source code on the user's terminal.

    All threads share the list of filters, so this takes a lock and filters the modules of these libraries only.
    """
    with _warnings, warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=r"(PIL|astropy)\.")
        yield


@contextlib.contextmanager
def raise_picture_errors() -> Iterator[None]:
    """Turn everything that a library raises for a damaged file into a PictureError."""
    try:
        yield
    except LinkError:
        raise
    except UnidentifiedImageError as error:
        raise PictureError(
            "this is not a picture in a format that Pillow reads, or its header is damaged; give a PNG, JPEG or TIFF"
        ) from error
    except Image.DecompressionBombError as error:
        raise PictureError(
            f"too many pixels: {_one_line(error)}; the link carries {MIN_SIDE} to {MAX_SIDE} on a side; resize it first"
        ) from error
    except Exception as error:  # decoders raise a dozen types for damaged files, none documented
        raise PictureError(
            f"this picture cannot be decoded ({_one_line(error)}): it is damaged or of an unusual kind; save it again "
            "as PNG"
        ) from error


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:200].rstrip(".") or type(error).__name__
