"""Which HCI the pocket decoder restores best at equal bytes: the basis of the codec `adaptive`.

BSDS500 pictures of train-4-of-8.parquet, of which the decoder was trained on no crop. Per picture and rate: the highly
compressed image (HCI) that is best when up-sampled (codec `hci`), the best at each scale that is tried, and the best of
them all (codec `adaptive`), with the decoder in the loop. The loop compares by EfficientNet feature distance times
DISTS: LPIPS and the classifier of "class KL" have no part in the choice. Writes docs/results/adaptive.md.

    python -m benchmarks.coding.adaptive_hci --count 8
"""

from __future__ import annotations

import functools
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.common.arguments import make_parser
from benchmarks.common.pictures import load_bsds500_pictures
from benchmarks.common.report import make_table, write_report
from receiver.decoders.base import options_for
from receiver.guidance import Guidance
from receiver.metrics.names import MEASURES, PERCEPTUAL
from receiver.metrics.reporter import Measures
from receiver.pocket.decoder import PocketDecoder
from semlink.encoder_search.hci import PocketDecoderInTheLoop
from sender.hci_search import STEPS_TRIED
from shared.bitstream import PictureHeader
from shared.hci.stream import decode_hci, encode_hci, hci_candidates
from training.data import TRAIN

if TYPE_CHECKING:
    from numpy.typing import NDArray

BPPS = (0.0225, 0.06)
SHOWN = ("psnr_db", *PERCEPTUAL, "class_kl")


def make_choices(pixels: NDArray[np.uint8], max_bytes: int, loop: PocketDecoderInTheLoop) -> dict[str, bytes]:
    """Return the HCI payloads to compare, by name."""
    made = {"hci: best up-sampled": encode_hci(pixels, max_bytes)}
    distance = functools.cache(loop(pixels))
    candidates = []
    for step in STEPS_TRIED:
        here = hci_candidates(pixels, max_bytes, steps=[step])
        candidates += here
        if here:
            made[f"{step} scales coarser, the better tuning"] = min(here, key=distance)
    return made | {"adaptive: the best of these": min(candidates, key=distance)}


def main() -> None:
    parser = make_parser(__doc__, "adaptive.md")
    parser.add_argument("--count", type=int, default=8, help="pictures")
    parser.add_argument("--data", type=Path, default=TRAIN, help="folder of the training files")
    options = parser.parse_args()
    pictures = load_bsds500_pictures(options.data, options.count)
    decoder, loop, measures = PocketDecoder(), PocketDecoderInTheLoop(), Measures(SHOWN)
    rows: dict[tuple[float, str], list[dict[str, float]]] = defaultdict(list)
    for pixels in pictures:
        height, width = pixels.shape[:2]
        reference = measures.reference(pixels)
        for bpp in BPPS:
            for name, payload in make_choices(pixels, int(bpp * height * width / 8), loop).items():
                guidance = Guidance(PictureHeader(width, height), hci=decode_hci(payload, width, height))
                made = decoder.reconstruct(guidance, options_for(decoder))
                found = measures.compare(made.pixels, reference)
                rows[bpp, name].append(
                    {"bytes": len(payload)} | {measure: float(found[measure] or 0) for measure in SHOWN}
                )
    write_report(make_page(rows, options.count), options.out)


def make_page(rows: dict[tuple[float, str], list[dict[str, float]]], count: int) -> str:
    """Return the table with what it is."""
    lines = []
    for (bpp, name), found in rows.items():
        means = {measure: float(np.mean([row[measure] for row in found])) for measure in ("bytes", *SHOWN)}
        lines.append([f"{name}", f"{bpp:g}", f"{means['bytes']:.0f}", *(f"{means[measure]:.3f}" for measure in SHOWN)])
    lines.sort(key=lambda line: float(line[1]))
    return (
        "# Which HCI the decoder restores best\n\n"
        f"`python -m benchmarks.coding.adaptive_hci --count {count}`: means over {count} BSDS500 pictures that\n"
        "the decoder has not learnt from, at equal budgets, by the weights that ship.\n\n"
        + make_table(["HCI", "bpp", "bytes", *(MEASURES[name].name for name in SHOWN)], lines)
    )


if __name__ == "__main__":
    main()
