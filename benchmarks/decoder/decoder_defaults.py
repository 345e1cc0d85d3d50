"""Measures the pocket decoder's fidelity on pictures that it was not trained on, to choose its default from.

Sixteen BSDS500 pictures of train-4-of-8.parquet, beyond the 9,445 crops of the files before it, at 0.024 bpp, and at
0.06 bpp, where so small pictures show about as much as large photographs do at 0.024. val.parquet holds only
pictures of 224x224. Writes docs/results/decoder-defaults.md.

    python -m benchmarks.decoder.decoder_defaults
"""

from __future__ import annotations

from pathlib import Path

from benchmarks.common.arguments import make_parser
from benchmarks.common.paths import SCRATCH
from benchmarks.common.pictures import load_bsds500_pictures
from semlink.evaluate.compare import compare_codecs
from semlink.report.evaluation import write_markdown
from shared.files import write_file
from shared.picture import encode_png
from training.data import REPOSITORY, TRAIN

FILES = SCRATCH / "decoder-defaults"
PICTURES, BPP = 16, "0.024bpp,0.06bpp"
CODECS = ",".join(
    ["avif-esrgan", "hci@real-esrgan"]
    + [f"hci@pocket:steps=0,fidelity={fidelity}" for fidelity in ("0", "0.25", "0.5", "1")]
)


def main() -> None:
    parser = make_parser(__doc__, "decoder-defaults.md")
    parser.add_argument("--data", type=Path, default=TRAIN, help="folder of the training files")
    options = parser.parse_args()
    folder = FILES / "pictures"
    folder.mkdir(parents=True, exist_ok=True)
    for number, picture in enumerate(load_bsds500_pictures(options.data, PICTURES)):
        write_file(folder / f"bsds-{number}.png", encode_png(picture))
    pictures = folder.relative_to(REPOSITORY)
    result = compare_codecs([pictures], CODECS, BPP, FILES.relative_to(REPOSITORY))
    table = write_markdown(f"semlink evaluate {pictures} --codec {CODECS} --bytes {BPP}", result)
    write_file(options.out, table.replace("# Evaluation", "# The pocket decoder's fidelity", 1).encode())


if __name__ == "__main__":
    main()
