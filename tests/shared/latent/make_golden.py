"""Writes golden.json: latent payloads, which decode to the same channels on any machine.

Run from the repository's root after every change of the tables: python tests/shared/latent/make_golden.py
"""

import hashlib
import json
from pathlib import Path

import numpy as np

from shared.latent.coder import encode_latent
from shared.latent.layout import latent_size

CASES = ((64, 64, (14,)), (100, 75, (0, 31)), (384, 256, (2, 3, 5, 7)), (16, 16, (1,)), (768, 512, tuple(range(16))))


def values_of(width, height, seed=0):
    """Integer channels with edges, waves and rare large values, made of integers only: int64 [32, h, w]."""
    rows, columns = latent_size(width, height)
    row, column, plane = np.ogrid[:rows, :columns, :32]
    waves = ((row * (3 + plane % 5) + column * (2 + plane % 3) + seed) // 7) % 5 - 2
    edges = ((row + column + plane) % 11 == 0) * (plane % 4)
    spikes = ((row * 31 + column * 17 + plane) % 211 == 0) * 90
    return np.ascontiguousarray(np.moveaxis((waves * (plane % 3 == 0) + edges + spikes).astype(np.int64), 2, 0))


def digest_of(planes):
    return hashlib.sha256(planes.astype("<i2").tobytes()).hexdigest()


if __name__ == "__main__":
    golden = []
    for width, height, ids in CASES:
        values = values_of(width, height)
        payload = encode_latent(values, ids).hex()
        entry = {"width": width, "height": height, "ids": ids, "payload": payload}
        golden.append(entry | {"sha256": digest_of(values[list(ids)])})
    Path(__file__).with_name("golden.json").write_text(json.dumps(golden, indent=1) + "\n")
