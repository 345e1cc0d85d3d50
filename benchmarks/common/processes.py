"""Times of calls, and services in processes of their own."""

from __future__ import annotations

import contextlib
import json
import statistics
import subprocess
import sys
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SEMLINK = (sys.executable, "-m", "semlink.cli.main")


def measure_s(call: Callable[[], object]) -> float:
    """Return the wall-clock time of one call."""
    started_s = time.perf_counter()
    call()
    return time.perf_counter() - started_s


def measure_median_s(call: Callable[[], object], repeats: int) -> float:
    """Return the median wall-clock time of ``repeats`` calls, after a first one that loads what is needed."""
    call()
    return statistics.median(measure_s(call) for _ in range(repeats))


@contextlib.contextmanager
def start_service(name: str) -> Iterator[tuple[int, str]]:
    """Start one service in a process of its own, yield its process id and address, and stop it."""
    command = [*SEMLINK, "serve", name, "--port", "0", "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.pid, json.loads("".join(process.stdout.readline() for _ in range(3)))[name]
        finally:
            process.terminate()
