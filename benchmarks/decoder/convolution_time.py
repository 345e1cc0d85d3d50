"""Measures the CPU time of the restorer by NNPACK and by oneDNN, with one thread, in one run.

A random picture of 256×256 pixels, 64×64 at the restorer's input. On a CPU with AVX-512 the receiver uses oneDNN.
Writes docs/results/convolution-time.md.

    python -m benchmarks.decoder.convolution_time
"""

from __future__ import annotations

import sys
import time
from unittest.mock import patch

import torch

from benchmarks.common.arguments import make_parser
from benchmarks.common.report import describe_machine, make_table, write_report
from receiver.convolution import has_nnpack
from receiver.pocket.config import weights_folder
from receiver.pocket.weights import load_networks
from shared.torch_devices import select_device

SIDE = 64


def main() -> None:
    parser = make_parser(__doc__, "convolution-time.md")
    parser.add_argument("--repeats", type=int, default=3, help="the least counts: other work on the machine only adds")
    options = parser.parse_args()
    if not has_nnpack():
        sys.exit("error: NNPACK does not support this CPU")
    torch.set_num_threads(1)
    restorer = load_networks(weights_folder(), select_device("cpu"), torch.float32).restorer
    small = torch.rand(1, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(0))
    seconds, pictures = [], []
    for by_nnpack in (False, True):
        with patch("receiver.convolution._nnpack_is_faster", return_value=by_nnpack), torch.inference_mode():
            pictures.append(restorer(small))
            seconds.append(min(_measure_cpu_s(restorer, small) for _ in range(options.repeats)))
    difference = 255 * float((pictures[0] - pictures[1]).abs().max())
    rows = [
        [name, f"{one:.2f}", f"{one / seconds[0]:.2f}"] for name, one in zip(("oneDNN", "NNPACK"), seconds, strict=True)
    ]
    write_report(
        "# Time of convolutions\n\n"
        f"`python -m benchmarks.decoder.convolution_time --repeats {options.repeats}` on {describe_machine()} with "
        f"{torch.backends.cpu.get_cpu_capability()}: the restorer\non a picture of 256×256 pixels, one thread, "
        f"float32. The pictures differ by {difference:.4f} of 255 levels at most.\n\n"
        + make_table(["library", "CPU seconds", "over oneDNN"], rows),
        options.out,
    )


def _measure_cpu_s(restorer: torch.nn.Module, small: torch.Tensor) -> float:
    started_s = time.process_time()
    restorer(small)
    return time.process_time() - started_s


if __name__ == "__main__":
    main()
