"""Bytes of the region stream against MISC's own way (64 bits a mask, 8 bits a letter) and zlib.

Nothing is chosen by these numbers. Writes docs/results/regions.md.

    python -m benchmarks.coding.region_bytes
"""

from __future__ import annotations

import zlib
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.common.arguments import make_parser
from benchmarks.common.pictures import load_parquet_pictures
from benchmarks.common.report import describe_machine, make_table, write_report
from sender.extractors.regions import RegionFinder
from shared.caption.coder import caption_coder
from shared.regions.coder import decode_regions, encode_regions
from training.data import TRAIN, VALIDATION_FILE

if TYPE_CHECKING:
    from shared.regions.region import Region

MASK_BYTES = 8


def join_texts(regions: tuple[Region, ...]) -> str:
    return " ".join(part for region in regions for part in (region.name, region.detail) if part)


def make_rows(found: list[tuple[Region, ...]]) -> list[list[object]]:
    """A row per number of regions, then all pictures that have any."""
    rows: list[list[object]] = []
    for name, chosen in [
        *((str(count), [regions for regions in found if len(regions) == count]) for count in (1, 2, 3)),
        ("any", [regions for regions in found if regions]),
    ]:
        if not chosen:
            rows.append([name, 0, *["-"] * 6])
            continue
        payloads = [encode_regions(regions) for regions in chosen]
        for payload, regions in zip(payloads, chosen, strict=True):
            assert encode_regions(decode_regions(payload)) == payload
            assert join_texts(decode_regions(payload)) == join_texts(regions)
        texts = [join_texts(regions) for regions in chosen]
        text_bytes = float(np.mean([caption_coder().bits(text) for text in texts])) / 8
        total = float(np.mean([len(payload) for payload in payloads]))
        count = float(np.mean([len(regions) for regions in chosen]))
        letters = float(np.mean([len(text.encode()) for text in texts]))
        packed = float(np.mean([len(zlib.compress(pack_masks(one) + join_texts(one).encode(), 9)) for one in chosen]))
        cells = [f"{total:.1f}", f"{text_bytes:.1f}", f"{(total - text_bytes) / count:.1f}"]
        misc = [f"{count * MASK_BYTES + letters:.1f}", f"{letters:.1f}", f"{packed:.1f}"]
        rows.append([name, len(chosen), *cells, *misc])
    return rows


def pack_masks(regions: tuple[Region, ...]) -> bytes:
    return b"".join(np.packbits(region.mask).tobytes() for region in regions)


def main() -> None:
    parser = make_parser(__doc__, "regions.md")
    parser.add_argument("--data", type=Path, default=TRAIN, help="folder of val.parquet")
    parser.add_argument("--pictures", type=int, default=100)
    options = parser.parse_args()
    finder = RegionFinder()
    pictures = load_parquet_pictures([options.data / VALIDATION_FILE], "flickr8k", 0, options.pictures)
    found = [finder.find_regions(pixels) for pixels in pictures]
    header = ["regions", "pictures", "bytes", "of these text", "mask and counts, each"]
    header += ["MISC: 64 bits a mask, 8 a letter", "of these text", "zlib -9 of that"]
    lines = [
        "# Bytes of the region stream",
        "",
        f"`python -m benchmarks.coding.region_bytes`, {describe_machine()}; {len(found)} pictures of val.parquet,",
        f"means. {sum(not regions for regions in found)} pictures have no region.",
        "",
        make_table(header, make_rows(found)),
        "",
        "Some of what was found:",
        "",
    ]
    shown = [regions for regions in found if regions][:8]
    lines += [
        f"- {'; '.join(f'{region.name}: {region.detail}' for region in regions)} ({len(encode_regions(regions))} bytes)"
        for regions in shown
    ]
    write_report("\n".join(lines), options.out)


if __name__ == "__main__":
    main()
