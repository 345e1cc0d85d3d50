"""Encode and decode time of every HCI coder per 768x512 picture.

OMP_NUM_THREADS=1 python -m benchmarks.coding.codec_time --repeats 5
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.common.arguments import make_parser
from benchmarks.common.pictures import load_coffee
from benchmarks.common.processes import measure_median_s
from benchmarks.common.report import make_table, write_report
from shared.errors import SetupError
from shared.hci.stream import decode_hci, encode_hci, upsample

if TYPE_CHECKING:
    from benchmarks.common.pictures import Picture

SIZE = (768, 512)
BPP = (0.01, 0.03)
CODERS = ("av1", "learned")


def main() -> None:
    parser = make_parser(__doc__)
    parser.add_argument("--repeats", type=int, default=5, help="the median counts")
    options = parser.parse_args()
    picture = load_coffee(*SIZE)
    rows = [row for coder in CODERS for bpp in BPP if (row := measure_coder(picture, coder, bpp, options.repeats))]
    header = ["coder", "bpp asked", "payload bytes", "encode s", "decode and up-sample s"]
    cells = [[r["coder"], r["bpp"], r["bytes"], f"{r['encode_s']:.3f}", f"{r['decode_s']:.3f}"] for r in rows]
    write_report(make_table(header, cells), options.out)


def measure_coder(picture: Picture, coder: str, bpp: float, repeats: int) -> dict[str, float | str] | None:
    """Return median times of one coder at one rate, after a first call that loads what it needs; None if not there."""
    budget = int(bpp * SIZE[0] * SIZE[1] / 8)
    try:
        payload = encode_hci(picture, budget, coder=coder)
    except SetupError as error:
        print(f"{coder}: skipped, {error}")
        return None

    def decode() -> None:
        upsample(decode_hci(payload, *SIZE).pixels, *SIZE)

    return {
        "coder": coder,
        "bpp": bpp,
        "bytes": len(payload),
        "encode_s": measure_median_s(lambda: encode_hci(picture, budget, coder=coder), repeats),
        "decode_s": measure_median_s(decode, repeats),
    }


if __name__ == "__main__":
    main()
