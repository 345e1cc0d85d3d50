"""Runs the demo; writes docs/results/demo.md and docs/images/demo-grid.jpg, the picture of the README.

python -m benchmarks.system.demo
"""

from __future__ import annotations

import io
from pathlib import Path

from PIL import Image

from benchmarks.common.arguments import make_parser
from benchmarks.common.paths import SCRATCH
from semlink.cli.demo import run_demo
from shared.files import write_file
from training.data import REPOSITORY

GRID = REPOSITORY / "docs" / "images" / "demo-grid.jpg"
FILES = SCRATCH / "demo"
HEAD = """# What the demo measures

`python -m benchmarks.system.demo`: additive white Gaussian noise (AWGN), row 4 of the table of modulation and coding
schemes (QPSK at rate 0.30), seed 0. Streams and container are in bytes; bpp is 8 times the container's bytes over the
number of pixels. The same seed gives the same bytes and packets on any machine; the last digit of a measure may
depend on the processor, because the decoder computes in floating point.

![The pictures](../images/demo-grid.jpg)

"""


def main() -> None:
    parser = make_parser(__doc__, "demo.md")
    parser.add_argument("--grid", type=Path, default=GRID, help="picture to write; default docs/images/demo-grid.jpg")
    options = parser.parse_args()
    run_demo(FILES, seed=0, as_json=False)
    write_file(options.grid, to_jpeg(FILES / "grid.png"))
    write_file(options.out, (HEAD + (FILES / "table.md").read_text()).encode())


def to_jpeg(png: Path) -> bytes:
    out = io.BytesIO()
    with Image.open(png) as image:
        image.convert("RGB").save(out, "JPEG", quality=85, optimize=True, progressive=True)
    return out.getvalue()


if __name__ == "__main__":
    main()
