"""``python -m training.regions``: how often a cell belongs to a mask, given the cells before it, on training pictures.

Writes ``shared/regions/mask_counts.py``. Masks are those of ``sender/extractors/objects.py``, each also mirrored.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np

from shared.errors import LinkError
from training.data import REPOSITORY, TRAIN, decode_rgb, find_training_files, read_pictures

TARGET = REPOSITORY / "shared" / "regions" / "mask_counts.py"
PRIOR_CELLS = 2.0
"""Prior count of each context, half of it for present cells."""
HEAD = '''"""Made by ``python -m training.regions``."""

from __future__ import annotations

from typing import Final

# fmt: off
PRESENT_OF_256: Final = (
'''
TAIL = ''')
# fmt: on
"""Of 256 cells in each context of ``coder.mask_context``, those that belong to the mask."""
'''


def count_present_cells(masks: list[list[np.ndarray]]) -> list[int]:
    """Return 1..255 for each context, counted on ``masks``, those of one picture together."""
    from shared.regions.coder import CONTEXTS, mask_context  # noqa: PLC0415 - needs the file that this one writes

    counts = np.full((CONTEXTS, 2), PRIOR_CELLS / 2)
    for picture in masks:
        said = np.zeros_like(picture[0])
        for mask in picture:
            for row, column in np.ndindex(mask.shape):
                counts[mask_context(mask, said, row, column), int(mask[row, column])] += 1
            said = said | mask
    return [int(share) for share in np.clip(np.rint(256 * counts[:, 1] / counts.sum(1)), 1, 255)]


def find_masks(data: Path, count: int) -> list[list[np.ndarray]]:
    """Return the masks of ``count`` training pictures and their mirror images.

    Raises:
        SetupError: there are no pictures.
    """
    from sender.extractors.objects import ObjectFinder  # noqa: PLC0415 - --help answers at once

    pictures = [picture for file in find_training_files(data) for picture in read_pictures(file)]
    finder, masks = ObjectFinder(), []
    for picture in pictures[:: max(1, len(pictures) // count)][:count]:
        found = finder(decode_rgb(picture))
        if found:
            masks += [[thing.mask for thing in found], [thing.mask[:, ::-1] for thing in found]]
    return masks


def main() -> int:
    """Count and write; a failure that a user can cause is one line on standard error and exit status 2."""
    parser = argparse.ArgumentParser(prog="python -m training.regions", description=__doc__)
    parser.add_argument("--data", type=Path, default=TRAIN, help="folder of the training parquet files")
    parser.add_argument("--pictures", type=int, default=600)
    arguments = parser.parse_args()
    try:
        shares = count_present_cells(find_masks(arguments.data, arguments.pictures))
    except LinkError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_status
    rows = [f"    {', '.join(map(str, shares[start : start + 16]))},\n" for start in range(0, len(shares), 16)]
    TARGET.write_text(HEAD + "".join(rows) + TAIL)
    return 0


if __name__ == "__main__":
    sys.exit(main())
