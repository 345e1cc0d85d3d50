"""The stream of the highly compressed image (HCI): one byte for coder and scale, then the coder's payload.

::

    bit   7 6      5 4 3        2 1 0
          coder    scale code   0      | payload of the coder

A picture of width × height pixels is coded at ceil(width / scale) × ceil(height / scale). ``docs/hci.md`` gives the
format bit by bit, and the measurements behind every choice.
"""

from __future__ import annotations

import functools
import importlib
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, cast

import numpy as np
from PIL import Image

from shared.bitstream import MAX_SIDE, MIN_SIDE
from shared.errors import BitstreamError, BudgetError, ConfigError, PictureError, SetupError, UnknownNameError
from shared.hci.coder import AV1_MAX_SIDE, LEARNED_MAX_SIDE, MIN_SMALL_SIDE
from shared.hci.rate_table import best_scale, coders_by_merit

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from numpy.typing import NDArray

    from shared.hci.coder import HciCoder

HCI_SCALES = (1, 2, 3, 4, 5, 6, 8, 16)  # the position is the scale code on the wire
HCI_HEADER_BYTES = 1


class _Entry(NamedTuple):
    """Module and class of a coder. Its position in ``_CODERS`` is its number on the wire."""

    module: str
    class_name: str
    max_side: int


_CODERS = {
    "av1": _Entry("shared.hci.av1", "Av1Coder", AV1_MAX_SIDE),
    "learned": _Entry("shared.hci.learned", "LearnedHciCoder", LEARNED_MAX_SIDE),
    "compressai": _Entry("shared.hci.pretrained", "CompressAiCoder", LEARNED_MAX_SIDE),
}
CODER_NAMES = tuple(_CODERS)


@dataclass(frozen=True, slots=True)
class HciImage:
    """A decoded HCI: ``pixels`` uint8 ``[h, w, 3]`` or ``[h, w]`` at 1/``scale`` of the picture, and its ``coder``."""

    pixels: NDArray[np.uint8]
    coder: str
    scale: int


@functools.cache
def get_coder(name: str) -> HciCoder:
    """Return the coder called ``name``. It is created once, because the learned coder loads weights.

    Raises:
        UnknownNameError: there is no such coder.
        SetupError: the coder's library or weights are missing.
    """
    entry = _CODERS.get(name)
    if entry is None:
        raise UnknownNameError(f"no HCI coder called {name!r}; there are {', '.join(CODER_NAMES)}")
    return cast("HciCoder", getattr(importlib.import_module(entry.module), entry.class_name)())


def downsample(picture: NDArray[np.uint8], scale: int) -> NDArray[np.uint8]:
    """Return ``picture`` (``[H, W, 3]`` or ``[H, W]``) at 1/``scale``, sides rounded up, with a Lanczos filter."""
    if scale == 1:
        return picture
    height, width = picture.shape[:2]
    return np.asarray(Image.fromarray(picture).resize(small_size(width, height, scale), Image.Resampling.LANCZOS))


def upsample(small: NDArray[np.uint8], width: int, height: int) -> NDArray[np.uint8]:
    """Return ``small`` at ``width`` × ``height`` with a Lanczos filter, which Pillow computes in integers."""
    return np.asarray(Image.fromarray(small).resize((width, height), Image.Resampling.LANCZOS))


def encode_hci_at(picture: NDArray[np.uint8], coder: str, scale: int, quality: int) -> bytes:
    """Return the HCI payload of ``picture`` by ``coder`` at 1/``scale`` and ``quality``, without a byte limit.

    Raises:
        PictureError: the picture is not uint8 RGB or grey of 64 to 8192 pixels a side.
        UnknownNameError, ConfigError: no such coder, scale or quality.
    """
    _check_picture(picture)
    if scale not in HCI_SCALES:
        raise ConfigError(f"HCI scale {scale}; there are {', '.join(map(str, HCI_SCALES))}")
    made_by = get_coder(coder)
    return pack_params(coder, scale) + made_by.encode(downsample(picture, scale), quality)


def encode_hci(picture: NDArray[np.uint8], max_bytes: int, *, coder: str | None = None) -> bytes:
    """Return the best HCI payload of ``picture`` (``[H, W, 3]`` or ``[H, W]``, uint8) within ``max_bytes``.

    Coder and scale are those that measured best at this rate (``shared.hci.rate_table``). The quality is the highest
    that fits. If the lowest does not fit, smaller pictures are tried. ``coder`` fixes the coder.

    Raises:
        PictureError: the picture is not uint8 RGB or grey of 64 to 8192 pixels a side.
        UnknownNameError: no coder of that name.
        BudgetError: nothing fits; the message and ``fewest_bytes`` name the fewest bytes that would.
    """
    _check_picture(picture)
    height, width = picture.shape[:2]
    fewest: list[int] = []
    for name, scale in _scales_to_try(width, height, max_bytes, coder):
        small = downsample(picture, scale)
        payloads = _encode_side_by_side([(one, small) for one in _get_encoders(name)], max_bytes - HCI_HEADER_BYTES)
        fitting = [payload for payload in payloads if len(payload) + HCI_HEADER_BYTES <= max_bytes]
        if fitting:
            return pack_params(name, scale) + min(fitting, key=lambda payload: _squared_error(name, payload, small))
        fewest.extend(len(payload) + HCI_HEADER_BYTES for payload in payloads)
    raise BudgetError(
        f"{max_bytes} bytes are too few for the HCI of this {width}x{height} picture; it takes {min(fewest)} or more",
        min(fewest),
    )


def hci_candidates(
    picture: NDArray[np.uint8], max_bytes: int, *, coder: str | None = None, steps: Iterable[int]
) -> list[bytes]:
    """Return HCI payloads of ``picture`` within ``max_bytes`` to choose from; [] if nothing fits.

    ``steps`` select scales: 0 is the one that measured best at this rate, 1 is the next one that ``encode_hci`` tries,
    -1 is the next finer one. Steps without a scale are skipped. Every encoder of the coder codes each scale.

    Raises:
        PictureError, UnknownNameError: as ``encode_hci``.
    """
    _check_picture(picture)
    height, width = picture.shape[:2]
    tried = list(_scales_to_try(width, height, max_bytes, coder))
    finer = _finer_scales(width, height, *tried[0]) if tried else []
    offered = dict(enumerate([*finer, *tried], start=-len(finer)))
    chosen = [offered[step] for step in steps if step in offered]
    small = {scale: downsample(picture, scale) for _, scale in chosen}
    tasks = [(name, scale, encoder) for name, scale in chosen for encoder in _get_encoders(name)]
    payloads = _encode_side_by_side(
        [(encoder, small[scale]) for _, scale, encoder in tasks], max_bytes - HCI_HEADER_BYTES
    )
    made = [pack_params(name, scale) + payload for (name, scale, _), payload in zip(tasks, payloads, strict=True)]
    return list(dict.fromkeys(payload for payload in made if len(payload) <= max_bytes))


def decode_hci(payload: bytes, width: int, height: int, *, grey: bool = False) -> HciImage:
    """Return the HCI of a picture of ``width`` × ``height`` pixels from its payload.

    Raises:
        BitstreamError: the payload is damaged, or was not made for a picture of this size and kind.
        SetupError: the coder's library or weights are missing.
    """
    name, scale = read_params(payload)
    return HciImage(decode_small(payload, *small_size(width, height, scale), grey=grey), name, scale)


def read_params(payload: bytes) -> tuple[str, int]:
    """Return coder and scale of an HCI payload.

    Raises:
        BitstreamError: it is empty, or names no coder of this version.
    """
    if not payload:
        raise BitstreamError("HCI payload is empty; it starts with one byte of coder and scale")
    number, code, reserved = payload[0] >> 6, payload[0] >> 3 & 7, payload[0] & 7
    if number >= len(CODER_NAMES) or reserved:
        raise BitstreamError(f"HCI payload starts with {payload[0]:#04x}, which names no coder of this version")
    return CODER_NAMES[number], HCI_SCALES[code]


def decode_small(payload: bytes, width: int, height: int, *, grey: bool = False) -> NDArray[np.uint8]:
    """Return the pixels of an HCI payload whose small picture has ``width`` × ``height`` pixels.

    Raises:
        BitstreamError, SetupError: as ``decode_hci``.
    """
    name, _ = read_params(payload)
    return get_coder(name).decode(payload[HCI_HEADER_BYTES:], width, height, grey=grey)


def _check_picture(picture: NDArray[np.uint8]) -> None:
    """Check shape, type and sides of a full picture."""
    if picture.dtype != np.uint8 or (picture.ndim != 2 and picture.shape[2:] != (3,)):
        raise PictureError(
            f"a picture of {picture.dtype} {list(picture.shape)}; the HCI takes uint8 [H, W, 3] or [H, W]"
        )
    height, width = picture.shape[:2]
    if not (MIN_SIDE <= width <= MAX_SIDE and MIN_SIDE <= height <= MAX_SIDE):
        raise PictureError(f"a picture of {width}x{height}; the HCI takes sides of {MIN_SIDE} to {MAX_SIDE}")


def pack_params(coder: str, scale: int) -> bytes:
    """Return the first byte of an HCI payload."""
    return bytes([CODER_NAMES.index(coder) << 6 | HCI_SCALES.index(scale) << 3])


def small_size(width: int, height: int, scale: int) -> tuple[int, int]:
    """Return width and height of the picture at 1/``scale``."""
    return -(-width // scale), -(-height // scale)


def _scales_to_try(width: int, height: int, max_bytes: int, coder: str | None) -> Iterator[tuple[str, int]]:
    """Yield (coder, scale) in the order of trials: measured best first, then smaller and smaller pictures."""
    bpp = 8 * max_bytes / (width * height)
    for name in installed_coders(coders_by_merit(max_bytes)) if coder is None else (coder,):
        get_coder(name)
        fitting = scales_of(name, width, height)
        # A small picture may not be able to shrink to the best scale. Then it starts with its smallest possible HCI.
        finest = min(best_scale(name, bpp), max(fitting, default=0))
        for scale in fitting:
            if scale >= finest:
                yield name, scale


def _finer_scales(width: int, height: int, name: str, scale: int) -> list[tuple[str, int]]:
    """Return coder ``name`` with the scales that are finer than ``scale``, the finest first."""
    return [(name, finer) for finer in scales_of(name, width, height) if finer < scale]


def scales_of(name: str, width: int, height: int) -> list[int]:
    """Return the scales at which coder ``name`` can code a picture, the finest first."""
    sizes = {scale: small_size(width, height, scale) for scale in HCI_SCALES}
    longest = _CODERS[name].max_side
    return [scale for scale, size in sizes.items() if min(size) >= MIN_SMALL_SIDE and max(size) <= longest]


def installed_coders(names: tuple[str, ...]) -> Iterator[str]:
    """Yield the ``names`` of coders whose library and weights are installed."""
    for name in names:
        try:
            get_coder(name)
        except SetupError:
            continue
        yield name


@functools.cache
def _get_encoders(name: str) -> tuple[HciCoder, ...]:
    """Return the encoders that the sender tries for the coder called ``name``: one per tuning of libaom, else one."""
    if name != "av1":
        return (get_coder(name),)
    av1 = importlib.import_module(_CODERS[name].module)
    return tuple(av1.Av1Coder(tune) for tune in av1.TUNES)


def _squared_error(name: str, payload: bytes, small: NDArray[np.uint8]) -> int:
    """Return the sum of squared differences between ``small`` and what ``payload`` decodes to."""
    decoded = get_coder(name).decode(payload, small.shape[1], small.shape[0], grey=small.ndim == 2)
    return int(np.sum((decoded.astype(np.int32) - small) ** 2, dtype=np.int64))


def _encode_side_by_side(tasks: Sequence[tuple[HciCoder, NDArray[np.uint8]]], max_bytes: int) -> list[bytes]:
    """Return for each coder and small picture the payload of the highest quality within ``max_bytes``.

    libaom and dav1d run without Python's global lock, so threads use as many cores as there are tasks.
    """
    with ThreadPoolExecutor(max(1, min(len(tasks), os.cpu_count() or 1))) as threads:
        return list(threads.map(lambda task: task[0].encode_within(task[1], max_bytes), tasks))
