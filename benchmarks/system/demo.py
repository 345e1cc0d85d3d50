"""Runs the demo; writes docs/results/demo.md and docs/images/demo-grid.jpg, the picture of the README.

With ``--out`` the picture stands beside that file.

python -m benchmarks.system.demo
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from PIL import Image

from benchmarks.common.arguments import make_parser
from benchmarks.common.paths import RESULTS, SCRATCH
from semlink.cli.demo import run_demo
from shared.files import write_file
from training.data import REPOSITORY

if TYPE_CHECKING:
    from pathlib import Path

PAGE = RESULTS / "demo.md"
GRID = REPOSITORY / "docs" / "images" / "demo-grid.jpg"
FILES = SCRATCH / "demo"
HEAD = """# What the demo measures

`python -m benchmarks.system.demo`: additive white Gaussian noise (AWGN), row 4 of the table of modulation and coding
schemes (QPSK at rate 0.30). Streams and container are in bytes; bpp is 8 times the container's bytes over the number
of pixels. `semlink send` with a row's picture, SNR and seed gives the row again; a lost picture has no measures
([losses.md](../losses.md#what-is-left-of-a-picture)). The same seed gives the same bytes and packets on any machine;
the last digit of a measure may depend on the processor, because the decoder computes in floating point.

![The pictures](../images/demo-grid.jpg)

"""


def main() -> None:
    out: Path = make_parser(__doc__, PAGE).parse_args().out
    grid = GRID if out == PAGE else out.with_suffix(".jpg")
    run_demo(FILES, seed=0, as_json=False)
    write_file(grid, to_jpeg(FILES / "grid.png"))
    write_file(out, (HEAD + (FILES / "table.md").read_text()).encode())


def to_jpeg(png: Path) -> bytes:
    out = io.BytesIO()
    with Image.open(png) as image:
        image.convert("RGB").save(out, "JPEG", quality=85, optimize=True, progressive=True)
    return out.getvalue()


if __name__ == "__main__":
    main()
