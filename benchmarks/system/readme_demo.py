"""Runs the demo and puts its grid and its table into the README.

Usage: python benchmarks/system/readme_demo.py
"""

from __future__ import annotations

import io
from pathlib import Path

from PIL import Image

from semlink.cli.demo import run_demo
from shared.files import write_file

ROOT = Path(__file__).parents[2]
OUT = ROOT / "out" / "demo"
GRID = ROOT / "docs" / "images" / "demo-grid.jpg"
BEGIN, END = "<!-- demo table -->\n", "<!-- end of demo table -->\n"


def main() -> None:
    run_demo(OUT, seed=0, as_json=False)
    GRID.parent.mkdir(parents=True, exist_ok=True)
    write_file(GRID, jpeg_of(OUT / "grid.png"))
    readme = ROOT / "README.md"
    before, rest = readme.read_text().split(BEGIN)
    _, after = rest.split(END)
    write_file(readme, (before + BEGIN + (OUT / "table.md").read_text() + END + after).encode())


def jpeg_of(png: Path) -> bytes:
    out = io.BytesIO()
    with Image.open(png) as image:
        image.convert("RGB").save(out, "JPEG", quality=85, optimize=True, progressive=True)
    return out.getvalue()


if __name__ == "__main__":
    main()
