"""Information in tokens: bits by the tables that code them, and how many different token rows pictures have.

Writes docs/results/tokens.md, in a minute of one core:

    python -m benchmarks.common.val_pictures --count 12 --out out/val12
    python -m benchmarks.coding.token_entropy
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from benchmarks.common.arguments import make_parser
from benchmarks.common.paths import SCRATCH
from benchmarks.common.report import describe_machine, make_table, write_report
from sender.extractors.extractors import Extractors
from shared.hci.stream import decode_hci, encode_hci
from shared.picture import load_picture
from shared.tokens.stream import MAX_TOKENS, TokenKind, encode_tokens
from training.pocket.token_counts import TABLE, measure_bits_per_token

HCI_BYTES = 400
SENT = (8, 16, MAX_TOKENS)


def make_tokens(files: list[Path], kind: TokenKind, extractors: Extractors) -> tuple[np.ndarray, dict[int, float]]:
    """Return the codes ``[pictures, 64]`` and the mean bytes of a payload by how many are sent."""
    rows, sizes = [], []
    for file in files:
        picture = load_picture(file.read_bytes())
        width, height = picture.header.width, picture.header.height
        hci = decode_hci(encode_hci(picture.pixels, HCI_BYTES), width, height, grey=picture.header.grey).pixels
        caption = extractors.caption(picture.pixels)
        made = {count: extractors.tokens(kind, count, picture.pixels, hci, caption) for count in SENT}
        rows.append(made[MAX_TOKENS].codes)
        sizes.append([len(encode_tokens(tokens)) for tokens in made.values()])
    return np.array(rows), dict(zip(SENT, np.mean(sizes, axis=0), strict=True))


def main() -> None:
    parser = make_parser(__doc__, "tokens.md")
    parser.add_argument("--pictures", type=Path, default=SCRATCH / "val12", help="folder of the pictures")
    options = parser.parse_args()
    files = sorted(options.pictures.glob("*.png"))
    extractors, bits = Extractors(), measure_bits_per_token(np.load(TABLE))
    rows = []
    for kind in TokenKind:
        codes, sizes = make_tokens(files, kind, extractors)
        varying = (codes != codes[0]).any(axis=0)
        for count in SENT:
            distinct = len(np.unique(codes[:, :count], axis=0))
            said = [f"{bits[kind, :count].mean():.2f}", f"{sizes[count]:.1f}", distinct, int(varying[:count].sum())]
            rows.append([kind.name, count, *said])
    header = ["kind", "tokens", "bits a token, tables", "bytes, mean", "different rows", "places that differ"]
    lines = [
        "# Information in tokens",
        "",
        "`python -m benchmarks.common.val_pictures --count 12 --out out/val12`, then",
        f"`python -m benchmarks.coding.token_entropy`, {describe_machine()}.",
        "",
        f"{len(files)} pictures of `val.parquet`, 224×224, with an HCI of at most {HCI_BYTES} bytes and the",
        "captioner's sentence. Bits a token: the entropy of the tables in `shared/tokens/counts.npy`, counted over",
        "training crops; six for a uniform code. Bytes are complete payloads. Places that differ do so between any two",
        "of the pictures.",
        "",
        make_table(header, rows),
        "",
    ]
    write_report("\n".join(lines), options.out)


if __name__ == "__main__":
    main()
