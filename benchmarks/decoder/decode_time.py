"""Time and memory of the pocket decoder, stage by stage, and how far its shortcuts move the picture.

Every size runs in a process of its own, whose peak memory is its own. Writes
docs/results/decode-time.md.

    python -m benchmarks.decoder.decode_time --threads 2 --repeats 3 --device cpu
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch.nn import functional

from benchmarks.common.arguments import make_parser
from benchmarks.common.pictures import load_coffee
from benchmarks.common.report import write_report
from receiver.decoders.base import DecodeOptions
from receiver.guidance import Guidance
from receiver.pocket.conditioning import Conditioning
from receiver.pocket.config import weights_folder
from receiver.pocket.data_consistency import project_to_hci
from receiver.pocket.decoder import PocketDecoder
from receiver.pocket.pipeline import CPU_SIDE, OVERLAP, PocketPipeline
from receiver.pocket.restore import restorer_input
from receiver.pocket.trust import trust_map
from receiver.pocket.weights import load_networks
from shared.bitstream import PictureHeader
from shared.errors import LinkError
from shared.hci.stream import decode_hci, downsample, encode_hci
from shared.pixels import to_pixels, to_tensor
from shared.torch_devices import select_device

if TYPE_CHECKING:
    from collections.abc import Callable

SIZES = ("768x512", "2048x1365")
AGREEMENT_SIZE = "1536x1024"
SMOKE_SIZES = ("256x192",)
BPP = 0.03
STAGES = ("restorer", "refiner, a step", "fidelity", "trust", "whole picture")


def main() -> None:
    parser = make_parser(__doc__, "decode-time.md")
    parser.add_argument("--threads", type=int, default=2, help="of torch")
    parser.add_argument("--repeats", type=int, default=3, help="the median counts")
    parser.add_argument("--device", default="", help="of torch; by default a GPU if there is one")
    parser.add_argument("--smoke", action="store_true", help="one small picture, once; write no file")
    parser.add_argument("--child", choices=("times", "agreement"), help=argparse.SUPPRESS)
    parser.add_argument("--size", help=argparse.SUPPRESS)
    options = parser.parse_args()
    try:
        if options.child:
            measure = measure_times if options.child == "times" else measure_agreement
            print(json.dumps(measure(options)))
            return
    except LinkError as error:
        raise SystemExit(f"error: {error}") from None
    sizes, repeats = (SMOKE_SIZES, 1) if options.smoke else (SIZES, options.repeats)
    rows = [run_child(options, "times", size, repeats) for size in sizes]
    compared = sizes[0] if options.smoke else AGREEMENT_SIZE
    text = make_report(options, repeats, sizes, rows, compared, run_child(options, "agreement", compared, 1))
    write_report(text, None if options.smoke else options.out)


def run_child(options: argparse.Namespace, what: str, size: str, repeats: int) -> dict[str, Any]:
    """Return what one child process measures."""
    command = [sys.executable, "-m", "benchmarks.decoder.decode_time", "--child", what, "--size", size]
    command += ["--threads", str(options.threads), "--repeats", str(repeats), "--device", options.device]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.returncode)
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def make_guidance(size: str) -> Guidance:
    """Return the guidance of one photograph (scikit-image's coffee) at ``size`` and ``BPP``."""
    width, height = (int(side) for side in size.split("x"))
    picture = load_coffee(width, height)
    hci = decode_hci(encode_hci(picture, int(BPP * width * height / 8)), width, height)
    return Guidance(PictureHeader(width, height), hci)


def measure_times(options: argparse.Namespace) -> dict[str, Any]:
    """Return seconds per stage and per picture (median), and peak memory in GiB."""
    torch.set_num_threads(options.threads)
    guidance = make_guidance(options.size)
    decoder = PocketDecoder(options.device)
    started_s = time.perf_counter()
    pipeline = decoder.load()
    load_s = time.perf_counter() - started_s
    idle_gib = peak_gib()
    whole = [
        measure_s(pipeline, lambda: decoder.reconstruct(guidance, DecodeOptions())) for _ in range(1 + options.repeats)
    ]
    peak = peak_gib()
    cuda = pipeline.device.type == "cuda"
    return {
        "device": torch.cuda.get_device_name(pipeline.device) if cuda else f"{options.threads} CPU threads",
        "type": str(pipeline.dtype).removeprefix("torch."),
        "load_s": load_s,
        "first_s": whole[0],
        "idle_gib": idle_gib,
        "peak_gib": peak,
        "cuda_gib": torch.cuda.max_memory_allocated(pipeline.device) / 2**30 if cuda else None,
        "stages_s": {
            **measure_stages(pipeline, guidance, options.repeats),
            "whole picture": statistics.median(whole[1:]),
        },
    }


def measure_stages(pipeline: PocketPipeline, guidance: Guidance, repeats: int) -> dict[str, float]:
    """Return the median seconds of every stage on its own."""
    assert guidance.hci is not None
    hci = to_tensor(guidance.hci.pixels).to(pipeline.device)
    width, height = guidance.header.width, guidance.header.height
    quarters = restorer_input(guidance.hci.pixels, width, height)[None].to(pipeline.device)
    restored = pipeline.restore(quarters)
    padded = functional.pad(restored, (0, -restored.shape[3] % 32, 0, -restored.shape[2] % 32), mode="replicate")
    noise = torch.zeros_like(padded)
    work: dict[str, Callable[[], object]] = {
        "restorer": lambda: pipeline.restore(quarters),
        "refiner, a step": lambda: pipeline.refine(padded, noise, 1, [Conditioning()]),
        "fidelity": lambda: project_to_hci(restored[0], hci, 1.0),
        "trust": lambda: trust_map(restored[0], hci),
    }
    return {name: statistics.median(measure_s(pipeline, stage) for _ in range(repeats)) for name, stage in work.items()}


def measure_s(pipeline: PocketPipeline, work: Callable[[], object]) -> float:
    """Return how long ``work`` takes, until the device is done with it."""
    started_s = time.perf_counter()
    work()
    if pipeline.device.type == "cuda":
        torch.cuda.synchronize(pipeline.device)
    return time.perf_counter() - started_s


def peak_gib() -> float:
    """Return the most memory that this process has held so far (Linux counts KiB)."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def measure_agreement(options: argparse.Namespace) -> dict[str, Any]:
    """Return differences in levels of 255: number types, tiles, and the picture's HCI after the projection."""
    torch.set_num_threads(options.threads)
    guidance = make_guidance(options.size)
    assert guidance.hci is not None
    hci, scale = guidance.hci.pixels, guidance.hci.scale
    width, height = guidance.header.width, guidance.header.height
    device = select_device(options.device)
    chosen = load_networks(weights_folder(), device)
    exact = load_networks(weights_folder(), device, torch.float32)

    def picture(pipeline: PocketPipeline) -> torch.Tensor:
        return pipeline.decode_batch([hci], [0], width, height, 1)[0].clamp(0, 1)

    reference = picture(PocketPipeline(exact, device, side=4096))
    rows = {
        "number type of this device against float32": count_levels(picture(PocketPipeline(chosen, device)) - reference)
    }
    if width * height > CPU_SIDE**2:
        for overlap in (OVERLAP // 2, OVERLAP):
            tiled = picture(PocketPipeline(exact, device, side=CPU_SIDE, overlap=overlap))
            name = f"tiles of {CPU_SIDE} pixels that overlap by {overlap} against the whole, float32"
            rows[name] = count_levels(tiled - reference)
    for fidelity in (0.0, 0.5, 1.0):
        pixels = to_pixels(project_to_hci(reference, to_tensor(hci).to(device), fidelity), grey=False)
        error = downsample(pixels, scale).astype(np.float32) - hci
        rows[f"down-sampled again against the HCI, fidelity {fidelity:g}"] = count_levels(torch.from_numpy(error) / 255)
    return rows


def count_levels(difference: Any) -> dict[str, float]:
    """Return mean, 99.9th percentile and maximum of a difference of pictures, in levels of 255."""
    flat = difference.abs().flatten().cpu().numpy() * 255
    return {"mean": float(flat.mean()), "p999": float(np.percentile(flat, 99.9)), "max": float(flat.max())}


def make_report(
    options: argparse.Namespace,
    repeats: int,
    sizes: tuple[str, ...],
    rows: list[dict[str, Any]],
    compared: str,
    agree: dict[str, Any],
) -> str:
    """Return the results as Markdown."""
    first = rows[0]
    command = f"python -m benchmarks.decoder.decode_time --threads {options.threads} --repeats {repeats}"
    command += f" --device {options.device}" if options.device else ""
    intro = f"`{command}`: {first['device']}, {first['type']}. Median seconds after a first picture; "
    lines = [
        "# Decode time and memory of the pocket decoder",
        "",
        intro + f"scikit-image's coffee at {BPP} bpp, one step.",
        "",
        "| | " + " | ".join(sizes) + " |",
        "| --- |" + " ---: |" * len(sizes),
    ]
    lines += [f"| {stage} | " + " | ".join(f"{row['stages_s'][stage]:.3f}" for row in rows) + " |" for stage in STAGES]
    for key, name in (("first_s", "first picture"), ("load_s", "loading, once")):
        lines.append(f"| {name} | " + " | ".join(f"{row[key]:.3f}" for row in rows) + " |")
    for key, name in (
        ("idle_gib", "memory loaded, GiB"),
        ("peak_gib", "peak memory, GiB"),
        ("cuda_gib", "on GPU, GiB"),
    ):
        if first[key] is not None:
            lines.append(f"| {name} | " + " | ".join(f"{row[key]:.2f}" for row in rows) + " |")
    lines += ["", f"Differences at {compared}, in levels of 255:", "", "| | mean | 99.9 % | max |"]
    lines.append("| --- | ---: | ---: | ---: |")
    lines += [f"| {name} | {d['mean']:.2f} | {d['p999']:.1f} | {d['max']:.1f} |" for name, d in agree.items()]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
