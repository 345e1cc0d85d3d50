"""Quality when streams are lost: every subset of the five kinds, measured, with one picture of each.

Pictures are encoded with all five streams, HCI, caption, tokens, latent and regions; each of the 32 subsets is decoded.
Writes docs/results/stream-losses.md and docs/results/stream-losses.jpg, a grid of the first picture.

    python -m benchmarks.common.val_pictures --count 4 --out out/val4
    python -m benchmarks.decoder.stream_losses out/val4 --bytes 1500 --steps 1
"""

from __future__ import annotations

import io
from collections import defaultdict
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.common.arguments import make_parser
from benchmarks.common.report import write_report
from benchmarks.common.streams import keep_streams, stream_subsets
from receiver.decoders.base import DecodeOptions
from receiver.guidance import guidance_in
from receiver.metrics.names import MEASURES, PERCEPTUAL
from receiver.metrics.reporter import Measures
from receiver.pocket.decoder import PocketDecoder
from semlink.evaluate.pictures import find_pictures
from semlink.report.picture_grid import Tile, draw_picture_grid
from sender.encode import encode_picture
from sender.extractors.extractors import Extractors
from shared.codecs.recipe import Codec
from shared.picture import encode_png, load_picture
from shared.pixels import grey_to_rgb
from shared.streams import StreamKind
from shared.tokens.stream import TokenKind

ALL_STREAMS = Codec(
    name="all-streams",
    summary="every kind of stream",
    streams=tuple(StreamKind),
    token_kind=TokenKind.RSRT,
    tokens=32,
    latent_channels=4,
)
SHOWN = (*PERCEPTUAL, "class_kl", "psnr_db")
COLUMNS = 4


def main() -> None:
    parser = make_parser(__doc__, "stream-losses.md")
    parser.add_argument("pictures", type=Path, nargs="+", help="files or folders")
    parser.add_argument("--bytes", type=int, default=1500, help="budget of each picture")
    parser.add_argument("--steps", type=int, default=1, help="of the decoder")
    options = parser.parse_args()
    extractors, decoder, measures = Extractors(), PocketDecoder(), Measures(SHOWN)
    rows: dict[tuple[StreamKind, ...], list[dict[str, float]]] = defaultdict(list)
    tiles: list[Tile] = []
    for file in find_pictures(options.pictures):
        picture = load_picture(file.read_bytes())
        whole = encode_picture(picture, ALL_STREAMS, extractors, options.bytes)
        reference = measures.reference(grey_to_rgb(picture.pixels))
        first = not tiles
        for kinds in stream_subsets(tuple(stream.kind for stream in whole.streams)):
            kept = keep_streams(whole, kinds)
            made = decoder.reconstruct(guidance_in(kept), DecodeOptions(options.steps))
            found = measures.compare(grey_to_rgb(made.pixels), reference)
            values = {name: float(found[name] or 0) for name in SHOWN}
            rows[kinds].append({"bytes": len(kept.pack()), "trust": made.trust or 0.0, **values})
            if first:
                tiles.append(Tile(encode_png(made.pixels), (name_subset(kinds), f"{len(kept.pack())} bytes")))
    sheet = [tiles[start : start + COLUMNS] for start in range(0, len(tiles), COLUMNS)]
    grid = Image.open(io.BytesIO(draw_picture_grid([""] * COLUMNS, sheet)))
    grid.convert("RGB").save(options.out.with_suffix(".jpg"), quality=85)
    words = " ".join(str(path) for path in options.pictures)
    command = f"python -m benchmarks.decoder.stream_losses {words} --bytes {options.bytes} --steps {options.steps}"
    write_report(make_report(rows, command), options.out)


def name_subset(kinds: tuple[StreamKind, ...]) -> str:
    """Return how a subset is called."""
    return " + ".join(kind.name for kind in kinds) or "nothing"


def make_report(rows: dict[tuple[StreamKind, ...], list[dict[str, float]]], command: str) -> str:
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
        "| received | pictures | " + " | ".join(["bytes", *(MEASURES[name].heading for name in SHOWN), "trust"]) + " |",
        "| --- | ---: |" + " ---: |" * len(columns),
    ]
    for kinds, found in rows.items():
        cells = [f"{np.mean([one[name] for one in found]):.3f}" for name in columns]
        lines.append(f"| {name_subset(kinds)} | {len(found)} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
