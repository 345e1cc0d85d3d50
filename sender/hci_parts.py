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
from shared.hci.slices import grid_cells, grid_shape
from shared.hci.stream import (
    HCI_HEADER_BYTES,
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
SLICE_CODERS: Final = ("learned", "av1")
"""Coders of slices, the better one first: the learned coder loses little where its context restarts."""
BASE_REFERENCE_SCALE: Final = 8
"""The scale at which the error of a base is measured: no base is finer."""
MOST_OBLONG: Final = 2.0
_LENGTH_BYTES: Final = 2  # of LEB128, in the container's table of units


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
    longest_slice = unit_room(packet_bytes, 2)
    fitting = -(-int(SPARE_ROOM * max_bytes) // longest_slice)
    slices = next(
        (count for count in range(max(least, fitting), MAX_UNITS) if _is_compact(count, header.width, header.height)),
        MAX_UNITS,
    )
    base_bytes = min(max(LEAST_BASE_BYTES, int(BASE_SHARE * max_bytes)), unit_room(packet_bytes, 1))
    if base_bytes > LARGEST_BASE_SHARE * max_bytes:
        base_bytes = 0
    return PartsPlan(slices, longest_slice, base_bytes)


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

        All slices have one scale, and qualities that differ by one step at most. A picture too small for so many
        slices gets fewer.

        Raises:
            BudgetError: nothing fits.
        """
        for count in self._counts():
            room = max_bytes - (1 + _LENGTH_BYTES * count if count > 1 else 0)
            for name, scale in self._scales(max_bytes):
                small = downsample(self.pixels, scale)
                try:
                    cells = grid_cells(count, small.shape[1], small.shape[0])
                except BitstreamError:
                    continue
                parts = [np.ascontiguousarray(cell.cut(small)) for cell in cells]
                with ThreadPoolExecutor(os.cpu_count()) as threads:
                    encodings = _Encodings(
                        get_coder(name), parts, self.plan.longest_slice_bytes - HCI_HEADER_BYTES, threads
                    )
                    coded = encodings.best_within(room - HCI_HEADER_BYTES * count)
                if coded is not None:
                    return tuple(pack_params(name, scale) + payload for payload in coded)
        return (encode_hci(self.pixels, max_bytes, coder=self.coder),)

    def _counts(self) -> Iterator[int]:
        """Yield the planned number of slices, then fewer and fewer."""
        count = self.plan.slices
        while count > 1:
            yield count
            count //= 2

    def _scales(self, max_bytes: int) -> Iterator[tuple[str, int]]:
        """Yield coder and scale, the best one for this rate first, then coarser ones."""
        height, width = self.pixels.shape[:2]
        bpp = 8 * max_bytes / (width * height)
        for name in installed_coders(SLICE_CODERS if self.coder is None else (self.coder,)):
            yield from ((name, scale) for scale in scales_of(name, width, height) if scale >= best_scale(name, bpp))


def _is_compact(count: int, width: int, height: int) -> bool:
    """Whether the cells of ``count`` slices are not too oblong."""
    columns, rows = grid_shape(count, width, height)
    aspect = width * rows / (height * columns)
    return max(aspect, 1 / aspect) <= MOST_OBLONG


class _Encodings:
    """The payloads of ``parts`` by quality, each coded once, side by side in ``threads``.

    A part longer than ``longest`` bytes gets coarser.
    """

    def __init__(
        self, coder: HciCoder, parts: Sequence[NDArray[np.uint8]], longest: int, threads: ThreadPoolExecutor
    ) -> None:
        self._qualities, self._longest, self._threads = coder.qualities, longest, threads
        self._encoders = list(threads.map(coder.prepare, parts))
        self._made: dict[tuple[int, int], bytes] = {}

    def best_within(self, max_bytes: int) -> list[bytes] | None:
        """Return the payloads at the best common quality within ``max_bytes``; None if nothing fits.

        What is left of the bytes raises as many parts as possible by one step.
        """
        low, high = -1, len(self._qualities)
        while high - low > 1:
            middle = (low + high) // 2
            if sum(map(len, self._at(middle))) <= max_bytes:
                low = middle
            else:
                high = middle
        if low < 0:
            return None
        chosen = self._at(low)
        if high < len(self._qualities):
            finer, left = self._at(high), max_bytes - sum(map(len, chosen))
            for index in sorted(range(len(chosen)), key=lambda one: len(finer[one]) - len(chosen[one])):
                more = len(finer[index]) - len(chosen[index])
                if more <= left:
                    chosen[index], left = finer[index], left - more
        return chosen

    def _at(self, quality: int) -> list[bytes]:
        """Return the payloads at this position of the coder's qualities, those too long at a coarser one."""
        return list(self._threads.map(lambda part: self._coded(part, quality), range(len(self._encoders))))

    def _coded(self, part: int, quality: int) -> bytes:
        if (part, quality) not in self._made:
            payload = self._encoders[part](self._qualities[quality])
            if len(payload) > self._longest and quality > 0:
                payload = self._coded(part, quality - 1)
            self._made[part, quality] = payload
        return self._made[part, quality]
