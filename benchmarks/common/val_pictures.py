"""Writes pictures of val.parquet, which nothing trains on, as PNG files: a folder for `semlink evaluate`.

Usage: python -m benchmarks.common.val_pictures [--count 48] [--out out/val] [--data ../shared/data/train]
"""

from __future__ import annotations

import argparse
from pathlib import Path

import pyarrow.parquet as pq

from shared.files import write_file
from shared.picture import encode_png, load_picture

ROOT = Path(__file__).parents[2]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=48)
    parser.add_argument("--out", type=Path, default=ROOT / "out" / "val")
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data" / "train")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    images = pq.read_table(options.data / "val.parquet", columns=["image"])["image"]
    # Spread over the file, which is sorted by source.
    chosen = range(0, len(images), max(1, len(images) // options.count))
    for number in list(chosen)[: options.count]:
        pixels = load_picture(images[number].as_py()).pixels
        write_file(options.out / f"val-{number:03d}.png", encode_png(pixels))
    print(f"{options.count} pictures in {options.out}")


if __name__ == "__main__":
    main()
