"""Seconds that a sender takes to encode a picture, in a process whose networks are loaded.

Each case runs in a process of its own: it encodes a small picture first, which loads everything, then the picture
``--repeats`` times. The shortest time counts. ``--before`` names a checkout of an earlier commit, which is measured in
turns with this one, case by case; then the six pictures of photos/ are also encoded by both, for their quality at
equal rate. Writes docs/results/encode-time.md.

    python -m benchmarks.coding.encode_time --repeats 3
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.common.arguments import make_parser
from benchmarks.common.pictures import load_coffee
from benchmarks.common.report import describe_machine, make_table, write_report
from receiver.decoders.base import DecodeOptions
from receiver.metrics.pixel import psnr_db
from receiver.rebuild import rebuild
from semlink.pipeline.pipeline import Pipeline
from sender.expected_loss import ExpectedLoss
from shared.codecs.registry import get_codec
from shared.picture import Picture, load_picture
from training.data import REPOSITORY

DEFAULTS = {"sizes": "768x512,4080x3060", "codecs": "hci,resilient,adaptive"}
WARM_UP = (192, 128)


class Case(NamedTuple):
    """A codec, and the share of packets that it prepares to lose, 0 to 1."""

    codec: str
    loss: float = 0.0

    @property
    def title(self) -> str:
        """The case in words."""
        return f"{self.codec}, {self.loss:.0%} loss" if self.codec == "resilient" else self.codec


CASES = (Case("hci"), Case("resilient"), Case("resilient", 0.25), Case("adaptive"))
COMPARED = (Case("hci"), Case("resilient", 0.25))
"""Codecs whose quality is compared; the choice of ``adaptive`` is between payloads of the same search."""


def main() -> None:
    parser = make_parser(__doc__, "encode-time.md")
    parser.add_argument("--repeats", type=int, default=3, help="the shortest counts")
    parser.add_argument("--sizes", default=DEFAULTS["sizes"], help="of scikit-image's coffee, rescaled")
    parser.add_argument("--codecs", default=DEFAULTS["codecs"])
    parser.add_argument("--before", type=Path, help="checkout of an earlier commit to measure in turns with this one")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        print(json.dumps(run_child(json.loads(options.child))))
        return
    cases = [case for case in CASES if case.codec in options.codecs.split(",")]
    folders = [REPOSITORY, *([options.before.absolute()] if options.before else [])]
    rows = []
    for size in options.sizes.split(","):
        for case in cases:
            task = {"size": size, "case": case, "repeats": options.repeats}
            rows.append(timing_row(size, case, [start_child(folder, task) for folder in folders]))
            print(*rows[-1], sep=" | ", file=sys.stderr)
    text = make_report(options, rows)
    if options.before:
        compared = [case for case in COMPARED if case in cases]
        quality = [(case, [start_child(folder, {"case": case}) for folder in folders]) for case in compared]
        text += make_comparison(quality)
    write_report(text, options.out)


def start_child(folder: Path, task: dict[str, Any]) -> dict[str, float]:
    """Return what a process measures that imports Semlink from ``folder``."""
    command = [sys.executable, __file__, "--child", json.dumps(task)]
    environment = {**os.environ, "PYTHONPATH": str(folder)}
    done = subprocess.run(command, cwd=folder, env=environment, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.returncode)
    result: dict[str, float] = json.loads(done.stdout)
    return result


def run_child(task: dict[str, Any]) -> dict[str, float]:
    """Measure one case: the time for one picture of ``size``, or the quality of the pictures of photos/."""
    pipeline, case = Pipeline("cpu"), Case(*task["case"])
    codec, loss = get_codec(case.codec), ExpectedLoss(case.loss)
    if "size" not in task:
        return measure_quality([load_picture(path.read_bytes()) for path in photos()], pipeline, case)
    pipeline.encode(Picture(load_coffee(*WARM_UP)), codec, loss=loss)
    picture = Picture(load_coffee(*map(int, task["size"].split("x"))))
    walls_s, cpus_s, sizes = [], [], []
    for _ in range(task["repeats"]):
        wall_s, cpu_s = time.perf_counter(), time.process_time()
        sizes.append(len(pipeline.encode(picture, codec, loss=loss).pack()))
        walls_s.append(time.perf_counter() - wall_s)
        cpus_s.append(time.process_time() - cpu_s)
    return {"wall_s": min(walls_s), "cpu_s": min(cpus_s), "bytes": sizes[0]}


def photos() -> list[Path]:
    """Return the pictures of photos/."""
    return sorted((REPOSITORY / "photos").glob("*.jpg"))


def measure_quality(pictures: list[Picture], pipeline: Pipeline, case: Case) -> dict[str, float]:
    """Return means over ``pictures``: PSNR of the enlarged HCI, and bytes."""
    decoder, codec, loss = pipeline.decoder("hci"), get_codec(case.codec), ExpectedLoss(case.loss)
    quality_db, sizes = [], []
    for picture in pictures:
        bitstream = pipeline.encode(picture, codec, loss=loss)
        pixels = rebuild(bitstream, decoder, DecodeOptions()).pixels
        assert pixels is not None
        quality_db.append(psnr_db(pixels, picture.pixels))
        sizes.append(len(bitstream.pack()))
    return {"psnr_db": statistics.mean(quality_db), "bytes": statistics.mean(sizes)}


def timing_row(size: str, case: Case, measured: list[dict[str, float]]) -> list[str]:
    """Return a row of the table: this checkout, and the earlier one if there is one."""
    now, *before = measured
    row = [size, case.title, f"{now['bytes']:.0f}", f"{now['wall_s']:.2f}", f"{now['cpu_s']:.2f}"]
    for one in before:
        row += [f"{one['wall_s']:.2f}", f"{one['cpu_s']:.2f}"]
        row += [f"{now[key] / one[key]:.2f}" for key in ("wall_s", "cpu_s")]
    return row


def make_report(options: argparse.Namespace, rows: list[list[str]]) -> str:
    """Return the times as Markdown."""
    header = ["size", "codec", "bytes", "seconds", "CPU seconds"]
    if options.before:
        header += ["seconds before", "CPU seconds before", "ratio", "ratio of CPU seconds"]
    load = os.getloadavg()[0]
    command = f"python -m benchmarks.coding.encode_time --repeats {options.repeats}"
    for name in ("sizes", "codecs"):
        chosen = getattr(options, name)
        command += f" --{name} {chosen}" if chosen != DEFAULTS[name] else ""
    command += " --before CHECKOUT" if options.before else ""
    return (
        f"# Time to encode a picture\n\n`{command}` on {describe_machine()}:\n"
        "scikit-image's coffee, rescaled, at the codec's default rate, in a process whose networks are loaded. The\n"
        f"shortest of {options.repeats} counts. At the end {load:.1f} processes were running or waiting for a core:\n"
        "where there are more than cores, CPU seconds say more than seconds.\n\n" + make_table(header, rows) + "\n"
    )


def make_comparison(quality: list[tuple[Case, list[dict[str, float]]]]) -> str:
    """Return the quality by this checkout and by the earlier one as Markdown."""
    header = ["codec", "PSNR dB", "bytes", "PSNR dB before", "bytes before"]
    rows = [
        [case.title, *(text for one in both for text in (f"{one['psnr_db']:.2f}", f"{one['bytes']:.1f}"))]
        for case, both in quality
    ]
    intro = "\nMeans over the six pictures of photos/ at the default rate, decoded by `hci`:\n\n"
    return intro + make_table(header, rows) + "\n"


if __name__ == "__main__":
    main()
