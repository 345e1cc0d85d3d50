"""Start-up time: the command's help, and each service until its health check returns SERVING.

python -m benchmarks.system.startup --repeats 3
"""

from __future__ import annotations

import statistics
import subprocess
import time
from typing import TYPE_CHECKING

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from benchmarks.common.arguments import make_parser
from benchmarks.common.processes import SEMLINK, measure_s, start_service
from benchmarks.common.report import make_table, write_report

if TYPE_CHECKING:
    from collections.abc import Callable


def main() -> None:
    parser = make_parser(__doc__)
    parser.add_argument("--repeats", type=int, default=3, help="the median counts")
    options = parser.parse_args()
    rows = {"`semlink --help`": median_of(measure_help_s, options.repeats)}
    for name in ("sender", "channel", "receiver"):
        rows[f"`serve {name}`"] = median_of(lambda name=name: measure_serving_s(name), options.repeats)
    write_report(make_table(["", "seconds"], [[name, f"{value:.2f}"] for name, value in rows.items()]), options.out)


def median_of(measure: Callable[[], float], repeats: int) -> float:
    return statistics.median(measure() for _ in range(repeats))


def measure_help_s() -> float:
    return measure_s(lambda: subprocess.run([*SEMLINK, "--help"], check=True, stdout=subprocess.DEVNULL))


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
