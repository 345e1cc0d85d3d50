"""VVC, from files that were made beforehand: ``NAME_qQP_SIZEbytes.webp`` in the folder ``vvc`` beside the pictures'."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from shared.errors import InputError
from shared.picture import load_picture

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

VVC = "vvc"
PATTERN = re.compile(r"(?P<picture>.+)_(?P<label>q\d+)_(?P<bytes>\d+)bytes\.webp")


@dataclass(frozen=True, slots=True)
class VvcPicture:
    """A picture decoded from VVC: its quantiser as ``q50``, the bytes that it took, and the lossless file."""

    label: str
    bytes: int
    file: Path

    def pixels(self, width: int, height: int) -> NDArray[np.uint8]:
        """Return ``[height, width, 3]`` or ``[height, width]``.

        Raises:
            InputError: the file cannot be read, or has another size.
        """
        try:
            pixels = load_picture(self.file.read_bytes()).pixels
        except OSError as error:
            raise InputError(f"cannot read {self.file}: {error.strerror}; remove it or put it right") from error
        if pixels.shape[:2] != (height, width):
            size = f"{pixels.shape[1]}x{pixels.shape[0]}"
            raise InputError(f"{self.file} is {size} pixels, its picture {width}x{height}; remove it or put it right")
        return pixels


def vvc_pictures(picture: Path) -> tuple[VvcPicture, ...]:
    """Return what there is of ``picture`` in the folder ``vvc`` beside the folder that holds it, by quantiser."""
    folder = picture.absolute().parent.parent / VVC
    found = []
    for file in sorted(folder.glob("*.webp")) if folder.is_dir() else ():
        match = PATTERN.fullmatch(file.name)
        if match and match["picture"] == picture.stem:
            found.append(VvcPicture(match["label"], int(match["bytes"]), file))
    return tuple(found)
