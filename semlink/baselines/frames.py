"""Decode one intra frame with FFmpeg and the project's own colour conversion."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import av
import numpy as np

from shared.errors import DataError
from shared.hci.yuv import rgb_from_yuv

if TYPE_CHECKING:
    from numpy.typing import NDArray


def decode_frame(data: bytes, decoder: str) -> NDArray[np.uint8]:
    """Return ``[h, w, 3]`` of the single frame in ``data``: 4:2:0, full-range BT.601, decoded by FFmpeg's ``decoder``.

    Raises:
        DataError: ``data`` is not one such frame.
    """
    context = cast("av.VideoCodecContext", av.CodecContext.create(decoder, "r"))
    context.thread_count = 1
    try:
        frames = [*context.decode(av.Packet(data)), *context.decode(None)]
    except (av.FFmpegError, MemoryError) as error:
        raise DataError(f"this {decoder} stream does not decode; it is damaged") from error
    if len(frames) != 1 or frames[0].format.name not in ("yuv420p", "yuvj420p"):
        raise DataError(f"this {decoder} stream is not one 4:2:0 picture")
    planes = [
        np.frombuffer(cast("memoryview", plane), np.uint8).reshape(-1, plane.line_size)[: plane.height, : plane.width]
        for plane in frames[0].planes
    ]
    return rgb_from_yuv(planes[0], planes[1], planes[2])
