"""Writes golden.json: units of residual tokens, which decode to the same codes on any machine.

Run from the repository's root after every change of the tables: python tests/shared/residual/make_golden.py
"""

import json
from pathlib import Path

import numpy as np

from shared.residual.stream import CODES, encode_residual, grid_size

SIZES = ((64, 64), (31, 700), (768, 512), (33, 32))


def codes_of(width, height):
    """Codes with flat areas and changes, made of integers only: uint8 [rows, columns]."""
    rows, columns = grid_size(width, height)
    row, column = np.ogrid[:rows, :columns]
    return ((row // 3 * 7 + column // 2 * 5 + (row * column) % 3) % CODES).astype(np.uint8)


if __name__ == "__main__":
    golden = [
        {"width": width, "height": height, "units": [unit.hex() for unit in encode_residual(codes_of(width, height))]}
        for width, height in SIZES
    ]
    Path(__file__).with_name("golden.json").write_text(json.dumps(golden, indent=1) + "\n")
