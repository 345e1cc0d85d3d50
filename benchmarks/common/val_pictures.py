"""Writes pictures of val.parquet, which nothing trains on, as PNG files: a folder for `semlink evaluate`.

python -m benchmarks.common.val_pictures --count 48 --out out/val
"""

from __future__ import annotations

from pathlib import Path

from benchmarks.common.arguments import make_parser
from benchmarks.common.paths import SCRATCH
from shared.files import write_file
from shared.picture import encode_png, load_picture
from training.data import TRAIN, VALIDATION_FILE, read_pictures


def main() -> None:
    parser = make_parser(__doc__, SCRATCH / "val", what="folder")
    parser.add_argument("--count", type=int, default=48)
    parser.add_argument("--data", type=Path, default=TRAIN, help="folder of val.parquet")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    pictures = list(read_pictures(options.data / VALIDATION_FILE))
    # Spread over the file, which is sorted by source.
    chosen = range(0, len(pictures), max(1, len(pictures) // options.count))[: options.count]
    for number in chosen:
        write_file(options.out / f"val-{number:03d}.png", encode_png(load_picture(pictures[number]).pixels))
    print(f"{len(chosen)} pictures in {options.out}")


if __name__ == "__main__":
    main()
