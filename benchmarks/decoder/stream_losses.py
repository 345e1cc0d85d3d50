"""What remains when streams are lost: every subset of the five kinds, one picture each, measured and shown.

Pictures are encoded with all five streams, HCI, caption, tokens, planes and regions; each of the 32 subsets is decoded.
Writes docs/results/stream-losses.md and docs/results/stream-losses.jpg, a grid of the first picture.

Usage: python -m benchmarks.decoder.stream_losses PICTURES... [--bytes 1500] [--steps 1]
"""

from __future__ import annotations

import argparse
import io
from collections import defaultdict
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from receiver.decoders.base import DecodeOptions
from receiver.guidance import guidance_in
from receiver.metrics.names import PERCEPTUAL
from receiver.metrics.reporter import Measures
from receiver.pocket.decoder import PocketDecoder
from semlink.evaluate.pictures import find_pictures
from semlink.report.picture_grid import Tile, draw_picture_grid
from sender.encode import encode_picture
from sender.extractors.extractors import Extractors
from shared.bitstream import Bitstream
from shared.codecs.recipe import Codec
from shared.picture import encode_png, load_picture
from shared.pixels import grey_to_rgb
from shared.streams import StreamKind
from shared.tokens.stream import TokenKind

if TYPE_CHECKING:
    from collections.abc import Iterator

OUT = Path(__file__).parents[2] / "docs" / "results" / "stream-losses.md"
ALL_STREAMS = Codec(
    name="all-streams",
    summary="every kind of stream",
    streams=tuple(StreamKind),
    token_kind=TokenKind.RSRT,
    tokens=32,
    planes=4,
)
SHOWN = (*PERCEPTUAL, "class_kl", "psnr_db")
COLUMNS = 4


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pictures", type=Path, nargs="+")
    parser.add_argument("--bytes", type=int, default=1500)
    parser.add_argument("--steps", type=int, default=1)
    options = parser.parse_args()
    extractors, decoder, measures = Extractors(), PocketDecoder(), Measures(SHOWN)
    rows: dict[tuple[StreamKind, ...], list[dict[str, float]]] = defaultdict(list)
    tiles: list[Tile] = []
    for file in find_pictures(options.pictures):
        picture = load_picture(file.read_bytes())
        whole = encode_picture(picture, ALL_STREAMS, extractors, options.bytes)
        reference = measures.reference(grey_to_rgb(picture.pixels))
        first = not tiles
        for kinds in subsets(tuple(stream.kind for stream in whole.streams)):
            kept = Bitstream(whole.header, tuple(stream for stream in whole.streams if stream.kind in kinds))
            made = decoder.reconstruct(guidance_in(kept), DecodeOptions(options.steps))
            found = measures.compare(grey_to_rgb(made.pixels), reference)
            values = {name: float(found[name] or 0) for name in SHOWN}
            rows[kinds].append({"bytes": len(kept.pack()), "trust": made.trust or 0.0, **values})
            if first:
                tiles.append(Tile(encode_png(made.pixels), (name_of(kinds), f"{len(kept.pack())} bytes")))
    sheet = [tiles[start : start + COLUMNS] for start in range(0, len(tiles), COLUMNS)]
    grid = Image.open(io.BytesIO(draw_picture_grid([""] * COLUMNS, sheet)))
    grid.convert("RGB").save(OUT.with_suffix(".jpg"), quality=85)
    words = " ".join(str(path) for path in options.pictures)
    OUT.write_text(
        table(
            rows, f"python -m benchmarks.decoder.stream_losses {words} --bytes {options.bytes} --steps {options.steps}"
        )
    )
    print(OUT.read_text())


def subsets(kinds: tuple[StreamKind, ...]) -> Iterator[tuple[StreamKind, ...]]:
    """Yield every subset, the largest first."""
    for size in range(len(kinds), -1, -1):
        yield from combinations(kinds, size)


def name_of(kinds: tuple[StreamKind, ...]) -> str:
    """Return how a subset is called."""
    return " + ".join(kind.name for kind in kinds) or "nothing"


def table(rows: dict[tuple[StreamKind, ...], list[dict[str, float]]], command: str) -> str:
    """Return the report as Markdown."""
    columns = ["bytes", *SHOWN, "trust"]
    lines = [
        "# Every subset of streams",
        "",
        f"`{command}`",
        "(`python -m benchmarks.common.val_pictures --count 4 --out out/val4` makes such pictures)",
        "",
        "Means over the pictures that had all the streams named. ![Grid](stream-losses.jpg)",
        "",
        "| what came | pictures | " + " | ".join(columns) + " |",
        "| --- | ---: |" + " ---: |" * len(columns),
    ]
    for kinds, found in rows.items():
        cells = [f"{np.mean([one[name] for one in found]):.3f}" for name in columns]
        lines.append(f"| {name_of(kinds)} | {len(found)} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
