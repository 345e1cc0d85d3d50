"""Encode and decode time of every HCI coder per 768x512 picture.

Usage: python benchmarks/coding/codec_time.py [--repeats 5] [--json]
"""

from __future__ import annotations

import argparse
import io
import json
import statistics
import time
from importlib.resources import files
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from semlink.cli.output import print_table
from shared.errors import SetupError
from shared.hci.stream import decode_hci, encode_hci, upsample

if TYPE_CHECKING:
    from collections.abc import Callable

SIZE = (768, 512)
BPP = (0.01, 0.03)
CODERS = ("av1", "learned")


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--repeats", type=int, default=5)
    arguments.add_argument("--json", action="store_true")
    options = arguments.parse_args()
    with Image.open(io.BytesIO((files("skimage.data") / "coffee.png").read_bytes())) as image:
        picture = np.asarray(image.convert("RGB").resize(SIZE, Image.Resampling.LANCZOS))
    rows = [row for coder in CODERS for bpp in BPP if (row := measured(picture, coder, bpp, options.repeats))]
    if options.json:
        print(json.dumps(rows, indent=2))
        return
    columns = ["coder", "bpp asked", "bytes", "encode s", "decode + up-sample s"]
    table = [[r["coder"], f"{r['bpp']}", f"{r['bytes']}", f"{r['encode_s']:.3f}", f"{r['decode_s']:.3f}"] for r in rows]
    print_table("768x512, median", columns, table)


def measured(picture: np.ndarray, coder: str, bpp: float, repeats: int) -> dict[str, float | str] | None:
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
        "encode_s": median_s(lambda: encode_hci(picture, budget, coder=coder), repeats),
        "decode_s": median_s(decode, repeats),
    }


def median_s(function: Callable[[], object], repeats: int) -> float:
    function()
    times = []
    for _ in range(repeats):
        started_s = time.perf_counter()
        function()
        times.append(time.perf_counter() - started_s)
    return statistics.median(times)


if __name__ == "__main__":
    main()
