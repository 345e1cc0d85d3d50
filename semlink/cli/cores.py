"""How many threads a command computes with."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

ONE_PICTURE: Final = ("send", "encode", "decode", "evaluate")
"""Commands that decode one picture at a time and have the machine to themselves."""
CPUS: Final = Path("/sys/devices/system/cpu")


def choose_threads(command: str) -> int:
    """Return the number of OpenMP's threads for ``command``: all cores if it decodes one picture at a time, else half.

    OpenMP's threads wait for each other in every operation. If one of them shares its core with another process or
    thread, as when services run side by side, all of them are slow.
    """
    return count_cores() if command in ONE_PICTURE else max(1, (os.cpu_count() or 1) // 2)


def count_cores(cpus: Path = CPUS) -> int:
    """Return the number of cores; where Linux does not list them in ``cpus``, half of the hardware threads."""
    try:
        cores = {file.read_text() for file in cpus.glob("cpu[0-9]*/topology/thread_siblings_list")}
    except OSError:
        cores = set()
    return len(cores) or max(1, (os.cpu_count() or 1) // 2)
