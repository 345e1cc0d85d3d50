"""VVC (H.266), from pictures that were decoded beforehand.

They are lossless WebP files, ``NAME_qQP_SIZEbytes.webp``, in the folder ``vvc`` next to the folder of the originals.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from shared.errors import InputError, PictureError
from shared.picture import load_picture

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

VVC = "vvc"
PATTERN = re.compile(r"(?P<picture>.+)_(?P<label>q\d+)_(?P<bytes>\d+)bytes\.webp")


@dataclass(frozen=True, slots=True)
class VvcPicture:
    """A picture decoded from VVC: its quantiser as ``q50``, the size of the VVC stream, and the lossless file."""

    label: str
    bytes: int
    file: Path

    def load_pixels(self, width: int, height: int) -> NDArray[np.uint8]:
        """Return ``[height, width, 3]``, or ``[height, width]`` if grey.

        Raises:
            InputError: the file cannot be read, or the picture has another size.
        """
        try:
            pixels = load_picture(self.file.read_bytes()).pixels
        except OSError as error:
            raise InputError(f"cannot read {self.file}: {error.strerror}; remove or replace it") from error
        except PictureError as error:
            raise PictureError(f"{self.file}: {error}") from error
        if pixels.shape[:2] != (height, width):
            size = f"{pixels.shape[1]}x{pixels.shape[0]}"
            raise InputError(f"{self.file} is {size} pixels, the original {width}x{height}; remove or replace it")
        return pixels


def find_vvc_pictures(picture: Path) -> tuple[VvcPicture, ...]:
    """Return the VVC versions of the file ``picture``, sorted by name; none if there are none."""
    folder = picture.absolute().parent.parent / VVC
    found = []
    for file in sorted(folder.glob("*.webp")) if folder.is_dir() else ():
        match = PATTERN.fullmatch(file.name)
        if match and match["picture"] == picture.stem:
            found.append(VvcPicture(match["label"], int(match["bytes"]), file))
    return tuple(found)
