"""PNG pictures of 16-bit colour, of which Pillow keeps 8 bits, read by FFmpeg."""

from __future__ import annotations

import io
from typing import Any, Final

from shared.imaging.levels import Values

_WIDE_COLOUR: Final = ("'RGB;16B'", "'RGBA;16B'", "'LA;16B'")
_FULL: Final = (0.0, 65535.0)


def is_wide_colour(tiles: str) -> bool:
    """Return whether the ``tiles`` of a PNG that Pillow has not yet loaded have several channels of 16 bits."""
    return any(one in tiles for one in _WIDE_COLOUR)


def read_wide_colour(data: bytes) -> tuple[Values, Values]:
    """Return the colours ``[H, W, 3]`` and the opacity ``[H, W]`` of a PNG that Pillow has found to be intact."""
    import av  # noqa: PLC0415 - a quarter of a second to import

    file: Any
    with av.open(io.BytesIO(data), format="png_pipe") as file:
        array = next(file.decode(video=0)).reformat(format="rgba64le").to_ndarray()
    return Values(array[..., :3], _FULL, "16 bit"), Values(array[..., 3], _FULL, "16 bit")
