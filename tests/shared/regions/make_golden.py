"""Writes golden.json: payloads of regions, which decode to the same regions on any machine.

Run from the repository's root after every change of the tables of masks or captions:
python tests/shared/regions/make_golden.py
"""

import json
from pathlib import Path

import numpy as np

from shared.regions.coder import encode_regions
from shared.regions.region import Region


def mask_of(rows):
    """The mask of eight bytes, the most significant bit at the left."""
    return np.unpackbits(np.array(rows, np.uint8)[:, None], axis=1).astype(bool)


def rows_of(mask):
    return np.packbits(mask, axis=1)[:, 0].tolist()


BLOB, LEFT, EMPTY, FULL = [0, 0, 0x3C, 0x7E, 0x7E, 0x3C, 0, 0], [0xE0] * 8, [0] * 8, [0xFF] * 8
CASES = (
    [],
    [("", "", EMPTY)],
    [("golden retriever", "brown and white in the middle", BLOB)],
    [
        ("frisbee", "bright red plain at the top", [0x18, 0x18, 0, 0, 0, 0, 0, 0]),
        ("dog", "", BLOB),
        ("", "green", FULL),
    ],
    [("racket", "green", LEFT), ("racket", "green", LEFT)],
    [("Ein Hund", "läuft über  die Wiese.", BLOB), ("一只狗", "", EMPTY), ("", "", LEFT)],
)

if __name__ == "__main__":
    golden = [
        {
            "regions": case,
            "payload": encode_regions([Region(name, detail, mask_of(rows)) for name, detail, rows in case]).hex(),
        }
        for case in CASES
    ]
    Path(__file__).with_name("golden.json").write_text(json.dumps(golden, indent=1) + "\n")
