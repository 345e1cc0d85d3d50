"""HEVC intra (x265 through PyAV): a bare Annex B stream, without the SEI message that holds x265's name."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

import av
import numpy as np

from semlink.baselines.codec import encode_nearest, enlarge
from semlink.baselines.frames import decode_frame
from shared.errors import SetupError
from shared.hci.av1 import source_planes
from shared.hci.obu import Chroma

if TYPE_CHECKING:
    from numpy.typing import NDArray

WORST_QP = 51
PRESET = "slow"
PARAMETERS = "keyint=1:info=0:log-level=none:pools=none:frame-threads=1"


class Hevc:
    """One intra picture, 4:2:0, full-range BT.601, at the lowest quantiser parameter that fits."""

    name = coder = "hevc"
    suffix = ".hevc"

    def encode(self, pixels: NDArray[np.uint8], max_bytes: int) -> bytes:
        """Return the stream."""
        return encode_nearest(self, pixels, max_bytes, WORST_QP + 1, _encode)

    def decode(self, data: bytes, width: int, height: int) -> NDArray[np.uint8]:
        """Return the picture."""
        small = decode_frame(data, "hevc")
        scale = max(1, round(width / small.shape[1]))  # the encoder made odd sides even: cut the added row or column
        return enlarge(small[: -(-height // scale), : -(-width // scale)], width, height)


def _encode(pixels: NDArray[np.uint8], quality: int) -> bytes:
    """Return the stream of ``pixels``. Odd sides are made even: the last row or column is repeated."""
    even = np.pad(pixels, [(0, side % 2) for side in pixels.shape[:2]] + [(0, 0)], mode="edge")
    try:
        context = av.CodecContext.create("libx265", "w")
    except ValueError as error:
        raise SetupError("this PyAV has no x265; install the wheel: pip install --only-binary av av") from error
    context.height, context.width = even.shape[:2]
    context.pix_fmt = "yuv420p"
    context.framerate = Fraction(1)
    context.options = {"preset": PRESET, "x265-params": f"qp={WORST_QP - quality}:{PARAMETERS}"}
    packed = np.concatenate([plane.ravel() for plane in source_planes(even, Chroma.YUV420)])
    frame = av.VideoFrame.from_ndarray(packed.reshape(-1, context.width), "yuv420p")
    return b"".join(bytes(packet) for packet in [*context.encode(frame), *context.encode(None)])
