"""Start-up time: short commands, a cold ``semlink send``, and each service until its health check returns SERVING.

python -m benchmarks.system.startup --repeats 3 --out docs/results/startup.md
"""

from __future__ import annotations

import functools
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc
from skimage import data

from benchmarks.common.arguments import make_parser
from benchmarks.common.processes import SEMLINK, start_service
from benchmarks.common.report import make_table, write_report
from shared.picture import encode_png

if TYPE_CHECKING:
    from collections.abc import Callable

COMPILED = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
"""Every run but the first finds the modules compiled, as an installation by pip leaves them."""


def main() -> None:
    parser = make_parser(__doc__)
    parser.add_argument("--repeats", type=int, default=3, help="the least counts: other work on the machine only adds")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        picture = Path(folder) / "astronaut.png"
        picture.write_bytes(encode_png(data.astronaut()))
        container = str(picture.with_suffix(".sem"))
        runs: dict[str, Callable[[], float]] = {
            "`semlink --help`": lambda: measure_command_s("--help"),
            "`semlink --version`": lambda: measure_command_s("--version"),
            "`semlink send` refuses a wrong file": lambda: measure_command_s("send", __file__, status=2),
            "`semlink encode`, 512x512": lambda: measure_command_s("encode", str(picture), container),
            "`semlink decode`, 512x512": lambda: measure_command_s("decode", container, f"{picture}.out.png"),
            "`semlink send`, 512x512": lambda: measure_command_s("send", str(picture)),
            "`semlink send --decoder hci`, 512x512": lambda: measure_command_s(
                "send", str(picture), "--decoder", "hci"
            ),
        }
        for name in ("sender", "channel", "receiver"):
            runs[f"`semlink serve {name}` until it serves"] = functools.partial(measure_serving_s, name)
        rows = [[name, *measure_least(run, options.repeats)] for name, run in runs.items()]
    text = f"# Start-up time\n\n`python -m benchmarks.system.startup --repeats {options.repeats}` on {os.cpu_count()} "
    text += "cores: seconds in a new process, the least of the repeats.\n\n"
    write_report(text + make_table(["", "wall clock", "CPU"], rows), options.out)


def measure_least(measure: Callable[[], float], repeats: int) -> tuple[str, str]:
    """Return the least wall-clock and CPU seconds after a first run; the CPU time is that of processes that ended."""
    measure()
    pairs = []
    for _ in range(repeats):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        wall_s = measure()
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        pairs.append((wall_s, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime))
    return tuple(f"{min(values):.2f}" for values in zip(*pairs, strict=True))  # type: ignore[return-value]  # two


def measure_command_s(*arguments: str, status: int = 0) -> float:
    """Return the seconds that ``semlink`` takes with ``arguments``, in a process of its own."""
    started_s = time.perf_counter()
    done = subprocess.run([*SEMLINK, *arguments], capture_output=True, check=False, env=COMPILED)
    elapsed_s = time.perf_counter() - started_s
    if done.returncode != status:
        sys.exit(f"error: semlink {' '.join(arguments)} ended with {done.returncode}: {done.stderr.decode()}")
    return elapsed_s


def measure_serving_s(name: str) -> float:
    """Return the time from starting the service's process until its health check returns SERVING."""
    started_s = time.perf_counter()
    with start_service(name) as (_, address), grpc.insecure_channel(address) as channel:
        reply = health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=30)
        elapsed_s = time.perf_counter() - started_s
    if reply.status != health_pb2.HealthCheckResponse.SERVING:
        raise SystemExit(f"error: {name} is not serving")
    return elapsed_s


if __name__ == "__main__":
    main()
