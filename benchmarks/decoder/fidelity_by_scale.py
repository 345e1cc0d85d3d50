"""Measures which fidelity is best for HCIs of each scale, to choose the decoder's default from.

BSDS500 pictures of train-4-of-8.parquet that nothing was trained on, as in ``benchmarks.decoder.decoder_defaults``,
with the HCIs that the codec ``hci`` chooses at each of ``BPPS``. Writes docs/results/fidelity-by-scale.md.

    python -m benchmarks.decoder.fidelity_by_scale --count 6
"""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import numpy as np

from benchmarks.common.arguments import make_parser
from benchmarks.common.pictures import load_bsds500_pictures
from benchmarks.common.report import make_table, write_report
from receiver.metrics.names import MEASURES, PERCEPTUAL
from receiver.metrics.reporter import Measures
from receiver.pocket.data_consistency import project_to_hci
from receiver.pocket.decoder import PocketDecoder
from shared.hci.stream import decode_hci, encode_hci
from shared.pixels import to_pixels, to_tensor
from training.data import TRAIN

BPPS = (0.02, 0.04, 0.06, 0.09, 0.15, 0.22, 0.35, 0.6)
FIDELITIES = (0.0, 0.25, 0.33, 0.5, 0.75, 1.0)
SHOWN = ("psnr_db", *PERCEPTUAL, "class_kl")
Rows = dict[tuple[int, float], list[dict[str, float]]]


def main() -> None:
    parser = make_parser(__doc__, "fidelity-by-scale.md")
    parser.add_argument("--count", type=int, default=6, help="pictures")
    parser.add_argument("--data", type=Path, default=TRAIN, help="folder of the training files")
    options = parser.parse_args()
    pipeline, measures = PocketDecoder().load(), Measures(SHOWN)
    rows: Rows = defaultdict(list)
    for pixels in load_bsds500_pictures(options.data, options.count):
        height, width = pixels.shape[:2]
        reference = measures.reference(pixels)
        for bpp in BPPS:
            payload = encode_hci(pixels, int(bpp * height * width / 8))
            hci = decode_hci(payload, width, height)
            restored = pipeline.decode_batch([hci.pixels], [0], width, height, 0)[0]
            received = to_tensor(hci.pixels).to(restored.device)
            for fidelity in FIDELITIES:
                made = to_pixels(project_to_hci(restored, received, fidelity), grey=False)
                found = measures.compare(made, reference)
                values = {measure: float(found[measure] or 0) for measure in SHOWN}
                rows[hci.scale, fidelity].append({"bpp": 8 * len(payload) / height / width} | values)
        print(f"{sum(map(len, rows.values()))} rows", flush=True)
    write_report(make_page(rows, options.count), options.out)


def make_page(rows: Rows, count: int) -> str:
    """Return the table with what it is."""
    lines = []
    for (scale, fidelity), found in sorted(rows.items()):
        means = {name: float(np.mean([row[name] for row in found])) for name in ("bpp", *SHOWN)}
        lines.append(
            [f"{scale}", f"{len(found)}", f"{means['bpp']:.3f}", f"{fidelity:g}"]
            + [f"{means[name]:.3f}" for name in SHOWN]
        )
    return (
        "# Fidelity by the HCI's scale\n\n"
        f"`python -m benchmarks.decoder.fidelity_by_scale --count {count}`: {count} BSDS500 pictures that nothing was\n"
        f"trained on, with the HCIs that the codec `hci` chooses at {', '.join(map(str, BPPS))} bpp, `steps` 0.\n\n"
        + make_table(["HCI scale", "HCIs", "mean bpp", "fidelity", *(MEASURES[name].heading for name in SHOWN)], lines)
    )


if __name__ == "__main__":
    main()
