"""Codes regions in one range-coded stream: word counts, masks, and one text for all regions.

"Multimodal Image Semantic Compression" (MISC) sends 64 bits for each mask and 8 bits for each letter. Here, static
integer probabilities predict each cell of a mask from the cells coded before it (left, above, in earlier masks). The
caption coder (``shared/caption``) codes the words of all regions as one text. The word counts split it again, which
costs less than separators.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from shared.caption.coder import MAX_SYMBOLS, caption_coder
from shared.caption.symbols import Reader, Writer
from shared.errors import BitstreamError, ConfigError, InputError
from shared.regions.mask_counts import PRESENT_OF_256
from shared.regions.region import (
    MASK_SIDE,
    REGIONS_MAX,
    Region,
    split_words,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    Weights = NDArray[np.int64]
    CodeCell = Callable[[Weights, int, int], bool]

NUMBER_WEIGHTS: Final = np.array([4, 3, 3])
"""Weights of one, two and three regions."""
NAME_WEIGHTS: Final = np.array([1, 8, 8, 3])
"""Weights of a name of 0 to 3 words."""
DETAIL_WEIGHTS: Final = np.array([2, 1, 2, 4, 8, 8, 8, 6, 4, 3, 2])
"""Weights of a detail of 0 to 10 words."""
EARLIER_CELLS: Final = ((0, -1), (-1, 0), (-1, -1), (-1, 1), (0, -2), (-2, 0))
"""Cells (rows down, columns right) that a cell's probability depends on, the most predictive first."""
CONTEXTS: Final = 2 ** (len(EARLIER_CELLS) + 1)
SYMBOLS_MAX: Final = MAX_SYMBOLS + 1 + REGIONS_MAX * (2 + MASK_SIDE * MASK_SIDE)


def encode_regions(regions: Sequence[Region]) -> bytes:
    """Return the payload of up to three ``regions``, in their order; without regions it is empty.

    Raises:
        ConfigError: more than three regions.
        InputError: their words together have over 10,000 characters, or half a surrogate pair.
    """
    if len(regions) > REGIONS_MAX:
        raise ConfigError(f"{len(regions)} regions: at most {REGIONS_MAX}; leave the least important ones out")
    if not regions:
        return b""
    text = " ".join(part for region in regions for part in (region.name, region.detail) if part)
    if text:
        caption_coder().encode(text)  # raises InputError for an invalid text
    writer = Writer()
    writer.write(NUMBER_WEIGHTS, len(regions) - 1)
    for region in regions:
        writer.write(NAME_WEIGHTS, len(split_words(region.name)))
        writer.write(DETAIL_WEIGHTS, len(split_words(region.detail)))
    covered = np.zeros((MASK_SIDE, MASK_SIDE), np.bool_)
    for region in regions:
        _code_mask(covered, _write_cells(writer, region.mask))
        covered |= region.mask
    if text:
        caption_coder().write(writer, text)
    return writer.to_bytes() or b"\0"


def decode_regions(payload: bytes) -> tuple[Region, ...]:
    """Return the regions in ``payload``.

    Raises:
        BitstreamError: ``encode_regions`` writes no such payload.
    """
    if not payload:
        return ()
    try:
        regions = _read_regions(Reader(payload, SYMBOLS_MAX))
        again = encode_regions(regions)
    except (BitstreamError, InputError) as error:
        raise BitstreamError(
            f"the regions' payload of {len(payload)} bytes is damaged: it holds no valid regions"
        ) from error
    if again != payload:
        raise BitstreamError("the regions' payload is damaged: its regions encode to other bytes")
    return regions


def _read_regions(reader: Reader) -> tuple[Region, ...]:
    number = reader.read(NUMBER_WEIGHTS) + 1
    counts = [(reader.read(NAME_WEIGHTS), reader.read(DETAIL_WEIGHTS)) for _ in range(number)]
    masks: list[NDArray[np.bool_]] = []
    covered = np.zeros((MASK_SIDE, MASK_SIDE), np.bool_)
    for _ in counts:
        masks.append(_code_mask(covered, _read_cells(reader)))
        covered |= masks[-1]
    total = sum(map(sum, counts))
    words = caption_coder().read(reader).split(" ") if total else []
    if len(words) != total:
        raise BitstreamError(
            f"the regions' payload is damaged: {len(words)} words, but its word counts add up to {total}"
        )
    regions = []
    for (name, detail), mask in zip(counts, masks, strict=True):
        regions.append(Region(" ".join(words[:name]), " ".join(words[name : name + detail]), mask))
        words = words[name + detail :]
    return tuple(regions)


def _code_mask(covered: NDArray[np.bool_], code_cell: CodeCell) -> NDArray[np.bool_]:
    """Code a mask ``[8, 8]`` cell by cell and return it. ``covered`` are the cells of earlier masks."""
    mask = np.zeros((MASK_SIDE, MASK_SIDE), np.bool_)
    for row in range(MASK_SIDE):
        for column in range(MASK_SIDE):
            present = PRESENT_OF_256[mask_context(mask, covered, row, column)]
            mask[row, column] = code_cell(np.array([256 - present, present]), row, column)
    return mask


def mask_context(mask: NDArray[np.bool_], covered: NDArray[np.bool_], row: int, column: int) -> int:
    """Return the context 0..127 of a cell; cells outside count as absent."""
    context = int(covered[row, column])
    for down, right in EARLIER_CELLS:
        y, x = row + down, column + right
        inside = y >= 0 and 0 <= x < MASK_SIDE
        context = 2 * context + int(inside and bool(mask[y, x]))
    return context


def _write_cells(writer: Writer, mask: NDArray[np.bool_]) -> CodeCell:
    def write_cell(weights: Weights, row: int, column: int) -> bool:
        writer.write(weights, int(mask[row, column]))
        return bool(mask[row, column])

    return write_cell


def _read_cells(reader: Reader) -> CodeCell:
    return lambda weights, _row, _column: bool(reader.read(weights))
