"""Measures the pocket decoder's options on pictures that it was not trained on, to choose its defaults from.

Eight BSDS500 pictures of train-4-of-8.parquet, which the first 6,000 training pictures do not reach, at 0.024 bpp.
Writes docs/results/decoder-defaults.md.

Usage: python -m benchmarks.decoder_defaults [--data ../shared/data/train]
"""

from __future__ import annotations

import argparse
from pathlib import Path

from benchmarks.hci_curves import parquet_pictures
from lab.evaluate.command import evaluate
from shared.picture import encode_png, write_file

ROOT = Path(__file__).parents[1]
OUT = ROOT / "out" / "decoder-defaults"
TABLE = ROOT / "docs" / "results" / "decoder-defaults.md"
PICTURES, MIN_SIDE, BPP = 8, 320, "0.024bpp"
CODECS = ",".join(
    ["avif-esrgan", "hci@real-esrgan"]
    + [f"hci@pocket:steps={steps},fidelity={fidelity}" for steps in (0, 1) for fidelity in ("0", "0.5", "1")]
    + ["hci@pocket:steps=4,fidelity=0"]
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data" / "train")
    options = parser.parse_args()
    folder = OUT / "pictures"
    folder.mkdir(parents=True, exist_ok=True)
    pictures = parquet_pictures([options.data / "train-4-of-8.parquet"], "bsds500", MIN_SIDE, PICTURES)
    for number, picture in enumerate(pictures):
        write_file(folder / f"bsds-{number}.png", encode_png(picture))
    evaluate([folder.relative_to(ROOT)], CODECS, BPP, OUT.relative_to(ROOT), as_json=False)
    table = (OUT / "table.md").read_text().replace("# Evaluation", "# The pocket decoder's options", 1)
    write_file(TABLE, table.encode())


if __name__ == "__main__":
    main()
