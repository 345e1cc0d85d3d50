"""Runs the demo; writes docs/results/demo.md and docs/images/demo-grid.jpg, the picture of the README.

Usage: python -m benchmarks.system.demo
"""

from __future__ import annotations

import argparse
import io
from pathlib import Path

from PIL import Image

from semlink.cli.demo import run_demo
from shared.files import write_file

ROOT = Path(__file__).parents[2]
GRID = ROOT / "docs" / "images" / "demo-grid.jpg"
TABLE = ROOT / "docs" / "results" / "demo.md"
HEAD = """# What the demo measures

`python -m benchmarks.system.demo`: additive white Gaussian noise (AWGN), row 4 of the table of modulation and coding
schemes (QPSK at rate 0.30), seed 0. Streams and container are in bytes; bpp is 8 times the container's bytes over the
number of pixels. The same seed gives the same bytes and packets on any machine; the last digit of a measure may
depend on the processor, because the decoder computes in floating point.

![The pictures](../images/demo-grid.jpg)

"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=ROOT / "out" / "demo", help="folder of the demo's own files")
    out = parser.parse_args().out
    run_demo(out, seed=0, as_json=False)
    GRID.parent.mkdir(parents=True, exist_ok=True)
    write_file(GRID, to_jpeg(out / "grid.png"))
    write_file(TABLE, (HEAD + (out / "table.md").read_text()).encode())


def to_jpeg(png: Path) -> bytes:
    out = io.BytesIO()
    with Image.open(png) as image:
        image.convert("RGB").save(out, "JPEG", quality=85, optimize=True, progressive=True)
    return out.getvalue()


if __name__ == "__main__":
    main()
