"""Measures the pocket decoder's fidelity on pictures that it was not trained on, to choose its default from.

Sixteen BSDS500 pictures of train-4-of-8.parquet, beyond the 9,445 crops of the files before it, at 0.024 bpp, and at
0.06 bpp, where so small pictures show about as much as large photographs do at 0.024. val.parquet holds only
pictures of 224x224. Writes docs/results/decoder-defaults.md.

Usage: python -m benchmarks.decoder.decoder_defaults [--data ../shared/data/train]
"""

from __future__ import annotations

import argparse
from pathlib import Path

from benchmarks.common.hci_curves import parquet_pictures
from semlink.evaluate.compare import compare_codecs
from semlink.report.evaluation import write_markdown
from shared.files import write_file
from shared.picture import encode_png

ROOT = Path(__file__).parents[2]
OUT = ROOT / "out" / "decoder-defaults"
TABLE = ROOT / "docs" / "results" / "decoder-defaults.md"
PICTURES, MIN_SIDE, BPP = 16, 320, "0.024bpp,0.06bpp"
CODECS = ",".join(
    ["avif-esrgan", "hci@real-esrgan"]
    + [f"hci@pocket:steps=0,fidelity={fidelity}" for fidelity in ("0", "0.25", "0.5", "1")]
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data" / "train")
    options = parser.parse_args()
    folder = OUT / "pictures"
    folder.mkdir(parents=True, exist_ok=True)
    originals = parquet_pictures([options.data / "train-4-of-8.parquet"], "bsds500", MIN_SIDE, PICTURES)
    for number, picture in enumerate(originals):
        write_file(folder / f"bsds-{number}.png", encode_png(picture))
    pictures = folder.relative_to(ROOT)
    result = compare_codecs([pictures], CODECS, BPP, OUT.relative_to(ROOT))
    table = write_markdown(f"semlink evaluate {pictures} --codec {CODECS} --bytes {BPP}", result)
    write_file(TABLE, table.replace("# Evaluation", "# The pocket decoder's fidelity", 1).encode())


if __name__ == "__main__":
    main()
