"""Codes the highly compressed image (HCI) in parts: a base, a very small picture, and slices that decode alone.

The number of slices follows from the expected loss of packets, the bytes and the size of a packet. ``docs/hci.md``
gives the measurements.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from shared.errors import BitstreamError
from shared.hci.rate_table import best_scale
from shared.hci.slices import SLICE_CODERS, grid_cells, grid_shape
from shared.hci.stream import (
    decode_hci,
    downsample,
    encode_hci,
    get_coder,
    hci_candidates,
    installed_coders,
    pack_params,
    scales_of,
    upsample,
)
from shared.packets import unit_room
from shared.streams import MAX_UNITS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from shared.bitstream import PictureHeader
    from shared.hci.coder import HciCoder

LEAST_LOSS: Final = 0.005
"""Below this expected loss of packets the HCI is sent whole, without a base."""
SLICES_BY_LOSS: Final = ((0.05, 4), (0.3, 6), (1.0, 8))
"""Up to this expected loss, the least number of slices."""
BASE_SHARE: Final = 0.05
LEAST_BASE_BYTES: Final = 45
"""Fewer bytes than this hold no useful picture."""
LARGEST_BASE_SHARE: Final = 0.2
"""A base that would take more of the bytes is left out."""
SPARE_ROOM: Final = 1.25
"""Bytes of packets over bytes of the picture: slices of one quality differ in length."""
FINER_RATE: Final = 1.25
"""Slices have the scale that measured best for a whole HCI at this many times their rate.

That was measured with small pictures too. In 500 bytes, slices of eight BSDS500 pictures, enlarged to 768 × 512, have
0.17 dB more at 1/3 than at 1/5.
"""
BASE_REFERENCE_SCALE: Final = 8
"""The scale at which the error of a base is measured: no base is finer."""
MOST_OBLONG: Final = 2.0


@dataclass(frozen=True)
class PartsPlan:
    """How an HCI is cut: the number of ``slices``, the bytes that a slice should not exceed, and those of the base."""

    slices: int
    longest_slice_bytes: int
    base_bytes: int


def plan_parts(header: PictureHeader, max_bytes: int, expected_loss: float, packet_bytes: int) -> PartsPlan | None:
    """Return how to cut the HCI of a picture; None: send it whole.

    ``max_bytes`` are those of the whole container. ``expected_loss`` is the share of packets that are missing after
    repair, 0 to 1.
    """
    if expected_loss < LEAST_LOSS:
        return None
    least = next(count for loss, count in SLICES_BY_LOSS if expected_loss <= loss)
    fitting = -(-int(SPARE_ROOM * max_bytes) // unit_room(packet_bytes, 2))
    slices = _next_compact(max(least, fitting), header.width, header.height)
    base_bytes = min(max(LEAST_BASE_BYTES, int(BASE_SHARE * max_bytes)), unit_room(packet_bytes, 1))
    if base_bytes > LARGEST_BASE_SHARE * max_bytes:
        base_bytes = 0
    return PartsPlan(slices, unit_room(packet_bytes, slices), base_bytes)


@dataclass(frozen=True)
class PartsEncoder:
    """Codes the parts of one picture; ``pixels`` uint8 ``[H, W, 3]`` or ``[H, W]``, ``coder`` as in a recipe."""

    pixels: NDArray[np.uint8]
    plan: PartsPlan
    coder: str | None = None

    def base(self) -> bytes:
        """Return the payload of the base, the better one of two scales; b"" if no base fits into its bytes."""
        if not self.plan.base_bytes:
            return b""
        height, width = self.pixels.shape[:2]
        reference = downsample(self.pixels, BASE_REFERENCE_SCALE)

        def squared_error(payload: bytes) -> float:
            small = decode_hci(payload, width, height, grey=self.pixels.ndim == 2).pixels
            decoded = upsample(small, reference.shape[1], reference.shape[0])
            return float(np.sum((decoded.astype(np.int32) - reference) ** 2, dtype=np.int64))

        candidates = hci_candidates(self.pixels, self.plan.base_bytes, coder=self.coder, steps=range(2))
        return min(candidates, key=squared_error, default=b"")

    def slices(self, max_bytes: int) -> tuple[bytes, ...]:
        """Return the slices, which together with the table of their lengths take ``max_bytes`` at most.

        All slices have one scale, and qualities that differ by one step at most, unless a packet holds no more. A
        picture too small for so many slices gets fewer.

        Raises:
            BudgetError: nothing fits.
        """
        count = self.plan.slices
        while count > 1:
            coded = self._code(count, max_bytes)
            if coded:
                return tuple(coded)
            count //= 2
        return (encode_hci(self.pixels, max_bytes, coder=self.coder),)

    def _code(self, count: int, max_bytes: int) -> list[bytes]:
        """Return ``count`` slices at the finest scale at which they fit; [] if they never do, or are too small."""
        for name, scale in self._scales(max_bytes):
            small = downsample(self.pixels, scale)
            try:
                cells = grid_cells(count, small.shape[1], small.shape[0])
            except BitstreamError:
                continue
            parts = [np.ascontiguousarray(cell.cut(small)) for cell in cells]
            with ThreadPoolExecutor(os.cpu_count()) as threads:
                encodings = _Encodings(
                    get_coder(name), parts, pack_params(name, scale), self.plan.longest_slice_bytes, threads
                )
                coded = encodings.best_within(max_bytes)
            if coded:
                return coded
        return []

    def _scales(self, max_bytes: int) -> Iterator[tuple[str, int]]:
        """Yield coder and scale, the best one for this rate first, then coarser ones."""
        height, width = self.pixels.shape[:2]
        bpp = FINER_RATE * 8 * max_bytes / (width * height)
        for name in installed_coders(SLICE_CODERS if self.coder is None else (self.coder,)):
            yield from ((name, scale) for scale in scales_of(name, width, height) if scale >= best_scale(name, bpp))


def _next_compact(least: int, width: int, height: int) -> int:
    """Return the first number of slices from ``least`` on whose cells are not too oblong."""
    return next((count for count in range(least, MAX_UNITS) if _is_compact(count, width, height)), MAX_UNITS)


def _is_compact(count: int, width: int, height: int) -> bool:
    """Whether the cells of ``count`` slices are not too oblong."""
    columns, rows = grid_shape(count, width, height)
    aspect = width * rows / (height * columns)
    return max(aspect, 1 / aspect) <= MOST_OBLONG


def _stream_bytes(slices: Sequence[bytes]) -> int:
    """Return the bytes of ``slices`` in a container, with their number and the lengths of all but the last."""
    numbers = (len(slices), *map(len, slices[:-1]))
    return sum(map(len, slices)) + sum(max(1, -(-number.bit_length() // 7)) for number in numbers)


class _Encodings:
    """The slices of ``parts`` by quality, each coded once, side by side in ``threads``; ``start`` is their first byte.

    A slice longer than ``longest`` bytes gets coarser.
    """

    def __init__(
        self,
        coder: HciCoder,
        parts: Sequence[NDArray[np.uint8]],
        start: bytes,
        longest: int,
        threads: ThreadPoolExecutor,
    ) -> None:
        self._qualities, self._start, self._longest, self._threads = coder.qualities, start, longest, threads
        self._encoders = list(threads.map(coder.prepare, parts))
        self._made: dict[tuple[int, int], bytes] = {}

    def best_within(self, max_bytes: int) -> list[bytes]:
        """Return the slices at the best common quality within ``max_bytes``; [] if none fit.

        What is left of the bytes raises as many slices as possible by one step.
        """
        low, high = -1, len(self._qualities)
        while high - low > 1:
            middle = (low + high) // 2
            if _stream_bytes(self._at(middle)) <= max_bytes:
                low = middle
            else:
                high = middle
        if low < 0:
            return []
        chosen = self._at(low)
        if high < len(self._qualities):
            finer = self._at(high)
            for index in sorted(range(len(chosen)), key=lambda one: len(finer[one]) - len(chosen[one])):
                raised = [*chosen[:index], finer[index], *chosen[index + 1 :]]
                if _stream_bytes(raised) <= max_bytes:
                    chosen = raised
        return chosen

    def _at(self, quality: int) -> list[bytes]:
        """Return the slices at this position of the coder's qualities, those too long at a coarser one."""
        return list(self._threads.map(lambda part: self._coded(part, quality), range(len(self._encoders))))

    def _coded(self, part: int, quality: int) -> bytes:
        if (part, quality) not in self._made:
            coded = self._start + self._encoders[part](self._qualities[quality])
            if len(coded) > self._longest and quality > 0:
                coded = self._coded(part, quality - 1)
            self._made[part, quality] = coded
        return self._made[part, quality]
