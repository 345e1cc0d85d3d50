"""Start-up time: the command's help, and each service from process start to SERVING.

Usage: python benchmarks/system/startup.py [--repeats 3] [--json]
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from semlink.cli.output import print_table

SEMLINK = [sys.executable, "-m", "semlink.cli.main"]


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--repeats", type=int, default=3)
    arguments.add_argument("--json", action="store_true")
    options = arguments.parse_args()
    rows = {"semlink --help": median(help_s, options.repeats)}
    for service in ("sender", "channel", "receiver"):
        rows[f"serve {service}"] = median(lambda service=service: serving_s(service), options.repeats)
    if options.json:
        print(json.dumps(rows, indent=2))
    else:
        print_table("start-up, median", ["", "seconds"], [[name, f"{value:.2f}"] for name, value in rows.items()])


def median(measure, repeats: int) -> float:  # noqa: ANN001
    return statistics.median(measure() for _ in range(repeats))


def help_s() -> float:
    started_s = time.perf_counter()
    subprocess.run([*SEMLINK, "--help"], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - started_s


def serving_s(service: str) -> float:
    """Return the time from starting the process to its health check saying SERVING."""
    started_s = time.perf_counter()
    command = [*SEMLINK, "serve", service, "--port", "0", "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout is not None
        address = json.loads("".join(process.stdout.readline() for _ in range(3)))[service]
        with grpc.insecure_channel(address) as channel:
            reply = health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=30)
        elapsed_s = time.perf_counter() - started_s
        process.terminate()
    if reply.status != health_pb2.HealthCheckResponse.SERVING:
        raise SystemExit(f"{service} is not serving")
    return elapsed_s


if __name__ == "__main__":
    main()
