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
from semlink.cli.demo import DEFAULT_CHANNEL, SEEDS, run_demo
from semlink.demo.pictures import SIDE
from semlink.demo.runs import CHART_DECODER, MAX_BYTES
from shared.files import write_file
from training.data import REPOSITORY

if TYPE_CHECKING:
    from pathlib import Path

PAGE = RESULTS / "demo.md"
GRID = REPOSITORY / "docs" / "images" / "demo-grid.jpg"
FILES = SCRATCH / "demo"
HEAD = f"""# What the demo measures

`python -m benchmarks.system.demo`: three photographs of {SIDE} pixels on the longer side, the channel
`{DEFAULT_CHANNEL}` (30 km/h at 3.5 GHz; fading goes on from packet to packet), five signal-to-noise ratios (Es/N0),
{SEEDS} seeds for each picture. Every picture goes over the link twice:

- **Semlink**: the codec `resilient` with at most {MAX_BYTES} bytes, at the channel's modulation and coding scheme
  (MCS), row 4 of the table (QPSK at rate 0.30).
- **HEVC + LDPC**: one file of High Efficiency Video Coding (HEVC) under low-density parity-check codes (LDPC), as
  `hevc+ldpc:best` in [comparison.md](../comparison.md). The file gets as many channel uses (complex symbols) as
  Semlink's packets take, at the one MCS that is best for the SNR. It is lost if one of its packets is lost.

The grid shows the first seed of each picture, whatever it gives. There Semlink's pictures are decoded by the default
decoder, without protection.
`semlink send out/demo/coffee.png --bytes {MAX_BYTES} --channel {DEFAULT_CHANNEL} --protect none`
with SNR and seed of a row of the first table gives the row again. The chart and the other two tables are of all seeds.
There Semlink's decoder is `{CHART_DECODER}`, because the default one would take minutes for so many pictures. A lost
picture counts as the original's mean colour, for both systems ([losses.md](../losses.md#what-is-left-of-a-picture)); in
the first table it has no measures. The same seed gives the same bytes and packets on any machine; the last digit of a
measure may depend on the processor, because decoders compute in floating point.

![The pictures and the chart](../images/demo-grid.jpg)

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
