"""The ``av1`` coder of the highly compressed image (HCI): an AV1 still without headers that the receiver can rebuild.

libaom (in Pillow) encodes, dav1d (in PyAV) decodes. ``shared.hci.obu`` strips and rebuilds the headers. ``docs/hci.md``
gives the payload bit by bit.
"""

from __future__ import annotations

import io
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, cast

import av
import numpy as np
from PIL import Image

from shared.errors import BitstreamError, ConfigError, LinkError, PictureError, SetupError
from shared.hci import obu
from shared.hci.coder import AV1_MAX_SIDE, MIN_SMALL_SIDE
from shared.hci.obu import CDEF_STRENGTHS, DEBLOCKING_LEVELS, Chroma, PostFilter, Still
from shared.hci.quality_search import TOLERANCE, find_by_drafts, find_highest_within
from shared.hci.yuv import rgb_from_yuv, yuv_from_rgb

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    Planes = tuple[NDArray[np.uint8], ...]

SUBSAMPLING = {Chroma.YUV420: "4:2:0", Chroma.YUV444: "4:4:4", Chroma.GREY: "4:0:0"}
DECODED_FORMATS = {Chroma.YUV420: "yuv420p", Chroma.YUV444: "yuv444p", Chroma.GREY: "gray"}
# Which tuning is better depends on the picture, so the sender tries both (docs/results/hci-settings.md).
TUNES = ("iq", "psnr")
# libaom applies options in order, and a tuning changes some of these: they must come after it.
AOM_OPTIONS = {
    "enable-qm": "0",
    "enable-restoration": "0",
    "enable-cdef": "0",  # _choose_filter chooses its strength, which takes fewer bits than in libaom
    "enable-intrabc": "0",
    "sb-size": "64",
}
# Largest number of pixels that is coded at each libaom speed.
SPEED_FOR_PIXELS = {0: 112 * 112, 1: 384 * 256, 2: 640 * 640, 4: 1536 * 1536}
FASTEST = 6
FULL_CHROMA, HALF_CHROMA = range(1, 126, 2), range(0, 126, 2)
"""Qualities with 4:4:4 and with 4:2:0 chroma. Sizes rise with quality within each, not over both."""
FILLED_SHARE = 0.95
"""A 4:4:4 payload of this share of the budget is sent. Where it takes less, 4:2:0 may fill the budget better."""
FULLER = 1.05
"""4:2:0 is tried if it should take this many times the bytes: at equal bytes it is less close to most pictures."""
DRAFT_SPEED = 8
"""Speed of the drafts that only predict a size."""
OVER_DRAFT = {"iq": 0.97, "psnr": 1.07}
"""Bytes of a payload over those of its draft, by tuning: where the search starts. Means over BSDS500 pictures."""


class Av1Coder:
    """Codes small pictures of 8 to 4096 pixels a side as AV1 stills.

    Quality 2k is libaom's quantizer 63 - k with 4:2:0 chroma. Quality 2k + 1 is the same quantizer with 4:4:4 chroma,
    which usually takes a few bytes more. Grey pictures have no chroma and give the same bytes for both.
    """

    name = "av1"
    qualities = range(126)

    def __init__(self, tune: str = TUNES[0], chroma: Chroma | None = None, speed: int | None = None) -> None:
        """Encode with libaom's ``tune``. ``chroma`` and ``speed`` replace the usual choices; None keeps them."""
        self._tune = tune
        self._chroma = chroma
        self._speed = speed

    def encode(self, small: NDArray[np.uint8], quality: int) -> bytes:
        """Code ``small`` (``[h, w, 3]`` RGB or ``[h, w]`` grey, uint8) and return its payload.

        Raises:
            PictureError: the array is not a picture with sides of 8 to 4096 pixels.
            ConfigError: ``quality`` is outside ``qualities``.
            SetupError: Pillow has no AVIF, or its libaom lacks an option.
            LinkError: the payload does not decode to the picture that libaom encoded.
        """
        _check_picture(small)
        if quality not in self.qualities:
            raise ConfigError(f"av1 quality {quality} is outside 0..{self.qualities[-1]}")
        return _finish(small, self._encode_by_aom(small, quality))

    def prepare(self, small: NDArray[np.uint8]) -> Callable[[int], bytes]:
        """Return ``encode`` of ``small`` as a function of the quality; two qualities have nothing in common."""
        return partial(self.encode, small)

    def encode_within(self, small: NDArray[np.uint8], max_bytes: int) -> bytes:
        """Return the best payload found within ``max_bytes``, or that of the lowest quality if none fits.

        Drafts at a fast speed of libaom predict which qualities to encode. Filters always take the same bits, so they
        are chosen last. 4:4:4 is closer to most pictures at equal bytes; 4:2:0 is tried where it leaves bytes unused.

        Raises:
            PictureError, SetupError, LinkError: as ``encode``.
        """
        _check_picture(small)
        coded: dict[int, bytes] = {}

        def draft(quality: int) -> bytes:
            return obu.pack(*_read(small, self._encode_by_aom(small, quality, DRAFT_SPEED)))

        def draft_bytes(quality: int) -> int:
            return len(draft(quality))

        def encode(quality: int) -> bytes:
            coded[quality] = self._encode_by_aom(small, quality)
            return obu.pack(*_read(small, coded[quality]))

        found = find_by_drafts(FULL_CHROMA, max_bytes, draft_bytes, encode, OVER_DRAFT[self._tune])
        payload = _finish(small, coded[found])
        if FILLED_SHARE * max_bytes <= len(payload) <= max_bytes or small.ndim == 2:
            return payload
        ratio = len(payload) / draft_bytes(found)
        expected_bytes = ratio * len(find_highest_within(HALF_CHROMA, int(TOLERANCE * max_bytes / ratio), draft))
        if expected_bytes < FULLER * len(payload) <= FULLER * max_bytes:
            return payload
        other = _finish(small, coded[find_by_drafts(HALF_CHROMA, max_bytes, draft_bytes, encode, ratio)])
        fitting = [one for one in (payload, other) if len(one) <= max_bytes]
        return min(fitting, key=lambda one: self._squared_error(one, small), default=other)

    def decode(self, payload: bytes, width: int, height: int, *, grey: bool) -> NDArray[np.uint8]:
        """Return the small picture, ``[h, w, 3]`` or, if ``grey``, ``[h, w]``.

        Raises:
            BitstreamError: the payload was not made by ``encode`` for a picture of this size.
        """
        if not (1 <= width <= AV1_MAX_SIDE and 1 <= height <= AV1_MAX_SIDE):
            raise BitstreamError(f"av1 picture of {width}x{height}; sides are 1 to {AV1_MAX_SIDE}")
        still, tiles = obu.unpack(payload, width, height, grey=grey)
        planes = _decode_still(still, tiles)
        return planes[0].copy() if grey else rgb_from_yuv(*planes)

    def _squared_error(self, payload: bytes, small: NDArray[np.uint8]) -> int:
        """Return the sum of squared differences between ``small`` (RGB) and what ``payload`` decodes to."""
        return _squared_error(self.decode(payload, small.shape[1], small.shape[0], grey=False), small)

    def _encode_by_aom(self, small: NDArray[np.uint8], quality: int, speed: int | None = None) -> bytes:
        """Return libaom's OBUs of ``small`` at ``quality``; ``speed`` replaces the usual one."""
        height, width = small.shape[:2]
        chroma = Chroma.GREY if small.ndim == 2 else Chroma(quality % 2) if self._chroma is None else self._chroma
        usual = _speed_for(width * height) if self._speed is None else self._speed
        options = {"tune": self._tune} | AOM_OPTIONS
        return aom_obus(small, 63 - quality // 2, SUBSAMPLING[chroma], usual if speed is None else speed, options)


def _read(small: NDArray[np.uint8], coded: bytes) -> tuple[Still, bytes]:
    """Return the header values and the tile group of libaom's OBUs of ``small``."""
    height, width = small.shape[:2]
    units = dict(obu.obus(coded))
    chroma = obu.check_sequence_header(units[obu.OBU_SEQUENCE_HEADER], width, height)
    return obu.read_frame(units[obu.OBU_FRAME], width, height, chroma)


def _finish(small: NDArray[np.uint8], coded: bytes) -> bytes:
    """Return the payload of libaom's OBUs of ``small``, with the filters that measure best and its header checked."""
    still, tiles = _read(small, coded)
    height, width = small.shape[:2]
    if not _are_equal(_decode_still(still, tiles), decode_planes(coded, width, height, still.chroma)):
        raise LinkError("av1: the rebuilt still differs from libaom's; please report this picture")
    chosen = _choose_filter(still, tiles, source_planes(small, still.chroma))
    still = replace(still, encoder_levels=None, post_filter=chosen)
    payload = obu.pack(still, tiles)
    if obu.unpack(payload, width, height, grey=small.ndim == 2) != (still, tiles):
        raise LinkError("av1: the payload's header does not read back as written; please report this picture")
    return payload


def _check_picture(small: NDArray[np.uint8]) -> None:
    """Check shape, type and sides of a picture to encode."""
    colour_or_grey = small.ndim == 2 or (small.ndim == 3 and small.shape[2] == 3)
    if small.dtype != np.uint8 or not colour_or_grey:
        raise PictureError(f"av1 codes uint8 [h, w, 3] or [h, w]; this is {small.dtype} {list(small.shape)}")
    if not all(MIN_SMALL_SIDE <= side <= AV1_MAX_SIDE for side in small.shape[:2]):
        raise PictureError(
            f"av1 codes sides of {MIN_SMALL_SIDE} to {AV1_MAX_SIDE}; this is {small.shape[1]}x{small.shape[0]}"
        )


def _speed_for(pixels: int) -> int:
    """Return the libaom speed that keeps one encoding of ``pixels`` within seconds."""
    return next((speed for speed, most in SPEED_FOR_PIXELS.items() if pixels <= most), FASTEST)


def aom_obus(
    small: NDArray[np.uint8], quantizer: int, subsampling: str, speed: int, options: Mapping[str, str]
) -> bytes:
    """Return the OBUs of ``small`` encoded by libaom at ``quantizer``, without the AVIF container."""
    out = io.BytesIO()
    try:
        Image.fromarray(small).save(
            out,
            "AVIF",
            quality=_pillow_quality(quantizer),
            subsampling=subsampling,
            speed=speed,
            max_threads=1,
            autotiling=False,
            codec="aom",
            advanced=options,
        )
    except (KeyError, ValueError, OSError) as error:
        raise SetupError(
            f"Pillow cannot encode this AVIF still ({error}); install a Pillow with libaom >= 3.12"
        ) from error
    return _media_data(out.getvalue())


def _pillow_quality(quantizer: int) -> int:
    """Return the AVIF quality 0..100 that libavif maps to ``quantizer`` 0..63."""
    return next(quality for quality in range(101) if ((100 - quality) * 63 + 50) // 100 == quantizer)


def _media_data(container: bytes) -> bytes:
    """Return the content of an AVIF file's ``mdat`` box (ISO/IEC 14496-12)."""
    position = 0
    while position + 8 <= len(container):
        size = int.from_bytes(container[position : position + 4], "big")
        if container[position + 4 : position + 8] == b"mdat":
            return container[position + 8 : position + size if size else None]
        position += max(size, 8)
    raise LinkError("av1: Pillow wrote an AVIF file without an mdat box; please report its version")


def decode_planes(temporal_unit: bytes, width: int, height: int, chroma: Chroma) -> Planes:
    """Return the planes that dav1d decodes: ``[h, w]`` luma, then chroma unless grey."""
    context = cast("av.VideoCodecContext", av.CodecContext.create("libdav1d", "r"))
    context.thread_count = 1
    context.options = {"filmgrain": "0"}
    try:
        frames = [*context.decode(av.Packet(temporal_unit)), *context.decode(None)]
    except (av.FFmpegError, MemoryError) as error:
        raise BitstreamError("av1 payload does not decode; it is damaged") from error
    if len(frames) != 1:
        raise BitstreamError(f"av1 payload holds {len(frames)} pictures instead of 1; it is damaged")
    frame = frames[0]
    if (frame.width, frame.height, frame.format.name) != (width, height, DECODED_FORMATS[chroma]):
        raise BitstreamError(f"av1 payload is {frame.width}x{frame.height} {frame.format.name}; it is damaged")
    return tuple(
        np.frombuffer(cast("memoryview", plane), np.uint8).reshape(-1, plane.line_size)[: plane.height, : plane.width]
        for plane in frame.planes
    )


def _decode_still(still: Still, tiles: bytes) -> Planes:
    """Return the planes that ``still`` decodes to."""
    return decode_planes(obu.temporal_unit(still, tiles), still.width, still.height, still.chroma)


def _are_equal(planes: Planes, expected: Planes) -> bool:
    """Whether two pictures have the same planes."""
    return all(np.array_equal(a, b) for a, b in zip(planes, expected, strict=True))


def source_planes(small: NDArray[np.uint8], chroma: Chroma) -> Planes:
    """Return the planes that ``small`` has before coding, 4:2:0 chroma averaged as libavif does."""
    if chroma is Chroma.GREY:
        return (small,)
    luma, *colours = yuv_from_rgb(small)
    return (luma, *(_halve(plane) if chroma is Chroma.YUV420 else plane for plane in colours))


def _halve(plane: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the means of 2×2 samples; the last row or column of an odd side counts twice."""
    even = np.pad(plane, [(0, side % 2) for side in plane.shape], mode="edge").astype(np.uint16)
    total = even[0::2, 0::2] + even[1::2, 0::2] + even[0::2, 1::2] + even[1::2, 1::2]
    return ((total + 2) >> 2).astype(np.uint8)


def _choose_filter(still: Still, tiles: bytes, source: Planes) -> PostFilter:
    """Return the post filter whose decoded picture is nearest to ``source``: deblocking first, then CDEF.

    Luma and chroma do not influence each other, so each decoding tries one value for both.
    """
    best = _search(PostFilter(), "level", range(DEBLOCKING_LEVELS), still, tiles, source)
    return _search(best, "cdef", range(len(CDEF_STRENGTHS)), still, tiles, source)


def _search(start: PostFilter, field: str, values: range, still: Still, tiles: bytes, source: Planes) -> PostFilter:
    """Return ``start`` with the best of ``values`` in ``field`` ("level" or "cdef"), for luma and for chroma."""
    luma_errors, chroma_errors = [], []
    for value in values:
        trial = replace(start, **{f"luma_{field}": value, f"chroma_{field}": value})
        planes = _decode_still(replace(still, encoder_levels=None, post_filter=trial), tiles)
        luma, *chroma = [_squared_error(a, b) for a, b in zip(planes, source, strict=True)]
        luma_errors.append(luma)
        chroma_errors.append(sum(chroma))
    best = values[luma_errors.index(min(luma_errors))], values[chroma_errors.index(min(chroma_errors))]
    return replace(start, **{f"luma_{field}": best[0], f"chroma_{field}": best[1]})


def _squared_error(a: NDArray[np.uint8], b: NDArray[np.uint8]) -> int:
    """Return the sum of squared differences of two planes."""
    difference = a.astype(np.int32) - b
    return int(np.sum(difference * difference, dtype=np.int64))
