"""Sweep against a bare loop: pictures per minute of CPU time and of wall time, over encode, transmit, decode, measure.

Every picture is another one (PICTURES, shifted by a few columns), so that a sweep has nothing to keep. The sweep writes
its rows to disk as the command does; the start of processes and the loading of models count on neither side.
With ``--workers N`` the same sweep is run on 1 to N processes, which tells what a further worker costs: pictures per
minute of wall time, CPU time per picture, and memory. Private memory is what a worker has to itself, beside pages of
libraries that all share. It means something only where N cores have nothing else to do.

    OMP_NUM_THREADS=1 python -m benchmarks.system.sweep_throughput ../shared/data/kodak --count 12 --workers 2
"""

from __future__ import annotations

import os
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.common.arguments import make_parser
from benchmarks.common.report import make_table, write_report
from channel.phy.coding import ChainCache
from receiver.decoders.base import options_for
from receiver.decoders.upsample import UpsampleDecoder
from receiver.guidance import guidance_in
from receiver.metrics.reporter import Measures
from semlink.evaluate.pictures import find_pictures
from semlink.pipeline.channel_uses import fit_container
from semlink.pipeline.pipeline import receive, transmit
from semlink.sweep.executors import InProcessExecutor, open_process_executor
from semlink.sweep.plan import make_plan
from semlink.sweep.run import run_plan
from semlink.sweep.settings import load_sweep
from semlink.sweep.store import RowStore
from semlink.sweep.worker import picture_index
from sender.encode import encode_picture
from sender.extractors.extractors import Extractors
from sender.packets import make_packets
from shared.codecs.registry import get_codec
from shared.files import write_file
from shared.picture import encode_png, load_picture
from shared.pixels import grey_to_rgb

if TYPE_CHECKING:
    from collections.abc import Callable

    from semlink.sweep.executors import Executor
    from semlink.sweep.plan import Plan

SHIFT_COLUMNS = 5
SNR_DB = 3.0


@dataclass(frozen=True, slots=True)
class Cost:
    """Seconds of one run."""

    cpu_s: float
    wall_s: float


def run_bare_loop(plan: Plan) -> None:
    """Encode, transmit, decode and measure every picture of ``plan`` in the plainest way."""
    extractors, chains, decoder = Extractors(), ChainCache(), UpsampleDecoder()
    point = plan.points[0]
    measures = Measures(point.measures)
    config = point.load_profile().resolve().config
    for task in plan.tasks_of(point, plan.sweep.seeds[0]):
        picture = load_picture(task.picture.file.read_bytes())

        index = picture_index(task)

        def packets_of(budget: int, picture=picture, index=index) -> tuple[tuple[bytes, ...], tuple[bytes, ...]]:  # noqa: ANN001
            codec = get_codec("hci")
            bitstream = encode_picture(picture, codec, extractors, budget)
            packets = make_packets(
                bitstream, packet_bytes=point.packet_bytes, picture_index=index, order=codec.streams
            ).all
            return packets, packets

        packets = fit_container(packets_of, int(point.rate), config, point.packet_bytes)
        sent = transmit(packets, config, picture_index=index, chains=chains)
        received = receive(sent.arrivals, picture_index=index).bitstream()
        made = decoder.reconstruct(guidance_in(received), options_for(decoder))
        measures.compare(grey_to_rgb(made.pixels), measures.reference(grey_to_rgb(picture.pixels)))


@dataclass(frozen=True, slots=True)
class WorkerCost:
    """Cost of a number of worker processes: until they had started, and for all pictures; memory is per worker."""

    started_s: float
    wall_s: float
    cpu_s: float
    peak_mb: float
    private_mb: float


def run_as_sweep(plan: Plan, executor: Executor) -> None:
    """Run ``plan`` as the command does."""
    with tempfile.TemporaryDirectory() as folder, RowStore(Path(folder)) as store:
        run_plan(plan, store, executor)


def measure_workers(warm: Plan, plan: Plan, workers: int) -> WorkerCost:
    """Run ``plan`` on processes that have made ``warm``, a picture each, and so have all that they need."""
    with open_process_executor(workers, "cpu") as executor:
        started_s = measure_cost(lambda: run_as_sweep(warm, executor)).wall_s
        pids = executor.process_ids
        before_s = sum(map(read_cpu_s, pids))
        wall_s = measure_cost(lambda: run_as_sweep(plan, executor)).wall_s
        cpu_s = sum(map(read_cpu_s, pids)) - before_s
        peak = sum(read_kilobytes(pid, "status", "VmHWM") for pid in pids)
        private = sum(
            read_kilobytes(pid, "smaps_rollup", one) for pid in pids for one in ("Private_Clean", "Private_Dirty")
        )
        return WorkerCost(started_s, wall_s, cpu_s, peak / 1024 / workers, private / 1024 / workers)


def read_cpu_s(pid: int) -> float:
    """Return the CPU time of a process, its own and the kernel's for it (proc(5), stat, fields 14 and 15)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def read_kilobytes(pid: int, file: str, name: str) -> int:
    """Return an entry of ``/proc/PID/FILE``."""
    lines = Path(f"/proc/{pid}/{file}").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{name}:"))


def measure_cost(work: Callable[[], None]) -> Cost:
    cpu_s, wall_s = time.process_time(), time.perf_counter()
    work()
    return Cost(time.process_time() - cpu_s, time.perf_counter() - wall_s)


def write_pictures(paths: list[Path], count: int, folder: Path) -> None:
    """Write ``count`` pictures that all differ."""
    files = find_pictures(paths)
    for place in range(count):
        pixels = load_picture(files[place % len(files)].read_bytes()).pixels
        shifted = np.roll(pixels, SHIFT_COLUMNS * (place // len(files)), axis=1)
        write_file(folder / f"p{place:03}.png", encode_png(shifted))


def main() -> None:
    parser = make_parser(__doc__)
    parser.add_argument("pictures", type=Path, nargs="+", help="files or folders")
    parser.add_argument("--count", type=int, default=12, help="pictures to send")
    parser.add_argument("--channel-uses", type=int, default=6000, help="of each picture")
    parser.add_argument("--workers", type=int, default=1, help="most processes to run the sweep on")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        write_pictures(options.pictures, options.count + options.workers, Path(folder))
        settings = {"codecs": ["hci@hci"], "snr_db": [SNR_DB], "channel_uses": [options.channel_uses]}
        files = sorted(map(str, Path(folder).iterdir()))
        spare, files = files[: options.workers], files[options.workers :]
        warm = make_plan(load_sweep(None, settings | {"pictures": spare[:1]}))
        plan = make_plan(load_sweep(None, settings | {"pictures": files}))
        run_bare_loop(warm)
        run_as_sweep(warm, InProcessExecutor("cpu"))
        # Each twice, in turn, the better one counts: other work on the machine slows now one, now the other.
        runs = [
            (
                measure_cost(lambda: run_bare_loop(plan)),
                measure_cost(lambda: run_as_sweep(plan, InProcessExecutor("cpu"))),
            )
            for _ in range(2)
        ]
        loop, sweep = (min((pair[side] for pair in runs), key=lambda cost: cost.cpu_s) for side in (0, 1))
        rows = []
        for name, cost in (("bare loop", loop), ("sweep", sweep)):
            rate = 60 * options.count
            share = f"{100 * loop.cpu_s / cost.cpu_s:.0f} %"
            rows.append([name, f"{rate / cost.cpu_s:.1f}", f"{rate / cost.wall_s:.1f}", share])
        report = make_table(
            ["run", "pictures per minute of CPU time", "of wall time", "share of the bare loop (CPU)"], rows
        )
        if options.workers > 1:
            report += "\n\n" + compare_worker_counts(settings, spare, plan, options.workers)
        write_report(report, options.out)


def compare_worker_counts(settings: dict[str, object], spare: list[str], plan: Plan, most: int) -> str:
    """Return a table over 1 to ``most`` workers; each number runs twice, in turn, and the quicker run counts."""
    warm = {count: make_plan(load_sweep(None, settings | {"pictures": spare[:count]})) for count in range(1, most + 1)}
    runs = [{count: measure_workers(warm[count], plan, count) for count in warm} for _ in range(2)]
    best = {count: min((run[count] for run in runs), key=lambda one: one.wall_s) for count in warm}
    header = ["workers", "pictures per minute", "of that many times one", "CPU s per picture", "starting s"]
    header += ["peak MB per worker", "private MB per worker"]
    pictures = plan.task_count
    rows = []
    for count, one in best.items():
        share = f"{100 * best[1].wall_s / (count * one.wall_s):.0f} %"
        speed = [f"{60 * pictures / one.wall_s:.1f}", share, f"{one.cpu_s / pictures:.2f}", f"{one.started_s:.1f}"]
        rows.append([count, *speed, f"{one.peak_mb:.0f}", f"{one.private_mb:.0f}"])
    return make_table(header, rows)


if __name__ == "__main__":
    main()
