"""The photographs of the demo: scikit-image ships them; they are made small here."""

from __future__ import annotations

import io
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Final

from PIL import Image

from shared.errors import SetupError

if TYPE_CHECKING:
    from collections.abc import Sequence

PICTURES: Final = ("coffee.png", "chelsea.png", "rocket.jpg")
"""A still life, an animal, a landscape: all of them half as wide again as high."""
SIDE: Final = 320
"""Longer side in pixels. The default decoder takes seconds of one core for such a picture."""


def read_pictures(names: Sequence[str] = PICTURES, side: int = SIDE) -> dict[str, bytes]:
    """Return PNG files of at most ``side`` pixels by file name, such as ``coffee.png``.

    Raises:
        SetupError: scikit-image's pictures are not installed.
    """
    return {f"{Path(name).stem}.png": _read_picture(name, side) for name in names}


def _read_picture(name: str, side: int) -> bytes:
    out = io.BytesIO()
    try:
        with Image.open(io.BytesIO((files("skimage.data") / name).read_bytes())) as image:
            image.thumbnail((side, side), Image.Resampling.LANCZOS)
            image.save(out, "PNG")
    except (OSError, ModuleNotFoundError) as error:
        raise SetupError(f"scikit-image's picture {name} is not installed: pip install scikit-image") from error
    return out.getvalue()
