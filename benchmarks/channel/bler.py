"""Block error rate (BLER) of the link over AWGN against Es/N0, with 95 % Clopper-Pearson intervals.

Each point sends packets until ``--errors`` of them failed or ``--packets`` were sent. Prints a Markdown table and,
with ``--out FILE``, draws the waterfall.

    python -m benchmarks.channel.bler --out docs/results/bler-awgn.png
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from scipy.stats import binomtest

from benchmarks.common.arguments import make_parser
from benchmarks.common.report import TablePrinter
from channel.config import ChannelConfig
from channel.link.link import Link
from channel.link.outcome import PacketOutcome
from channel.phy.coding import ChainCache
from channel.phy.mcs import mcs
from channel.snr import eb_n0_from_es_n0_db
from shared.validation import validate

if TYPE_CHECKING:
    from pathlib import Path

PACKET_BYTES = 256
BATCH = 50
# MCS: (first Es/N0 in dB, step in dB, points)
GRID = {
    4: (-2.5, 0.25, 8),
    8: (1.5, 0.25, 8),
    13: (5.25, 0.25, 8),
    20: (11.25, 0.25, 8),
    28: (18.25, 0.25, 9),
}


@dataclass(frozen=True, slots=True)
class Point:
    """One measured block error rate."""

    mcs: int
    es_n0_db: float
    eb_n0_db: float
    packets: int
    errors: int
    bler: float
    low: float
    high: float


def measure_point(index: int, es_n0_db: float, chains: ChainCache, packets: int, errors: int) -> Point:
    """Send packets under MCS ``index`` until ``errors`` failed or ``packets`` were sent."""
    config = validate(ChannelConfig, {"snr_db": es_n0_db, "mcs": index, "run_seed": 1})
    link = Link(config, chains)
    header = bytes([8, 1, 0xC0, 0]) + (PACKET_BYTES - 7).to_bytes(2, "big")
    random = np.random.default_rng(0)
    sent = failed = 0
    while sent < packets and failed < errors:
        batch = [header + random.bytes(PACKET_BYTES - len(header)) for _ in range(BATCH)]
        arrivals = link.transmit(batch, picture_index=index, first_index=sent)
        sent += len(arrivals)
        failed += sum(arrival.outcome is not PacketOutcome.DELIVERED for arrival in arrivals)
    interval = binomtest(failed, sent).proportion_ci(0.95, method="exact")
    eb_n0 = eb_n0_from_es_n0_db(es_n0_db, mcs(index).spectral_efficiency)
    return Point(index, es_n0_db, eb_n0, sent, failed, failed / sent, interval.low, interval.high)


def draw(points: list[Point], path: Path) -> None:
    import matplotlib as mpl  # noqa: PLC0415 - only with --out

    mpl.use("Agg")
    from matplotlib import pyplot as plt  # noqa: PLC0415

    figure, axes = plt.subplots(figsize=(8, 5), layout="constrained")
    for index in sorted({point.mcs for point in points}):
        scheme = mcs(index)
        curve = [point for point in points if point.mcs == index]
        bler = np.array([point.bler for point in curve])
        shown = bler > 0
        spread = np.array([[p.bler - p.low for p in curve], [p.high - p.bler for p in curve]])
        axes.errorbar(
            np.array([point.es_n0_db for point in curve])[shown],
            bler[shown],
            yerr=spread[:, shown],
            marker="o",
            markersize=4,
            capsize=2,
            label=f"MCS {index}: {scheme.modulation}, R = {scheme.rate:.2f}",
        )
    axes.set(
        yscale="log",
        ylim=(5e-4, 1.3),
        xlabel="Es/N0 per complex symbol [dB]",
        ylabel="BLER",
        title=f"{PACKET_BYTES}-byte packets over AWGN, 20 BP iterations, 95 % intervals",
    )
    axes.grid(which="both", alpha=0.3)
    figure.legend(loc="outside lower center", ncols=3, fontsize=8)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=120)


def main() -> None:
    parser = make_parser(__doc__, what="plot")
    parser.add_argument("--packets", type=int, default=1000, help="most packets per point")
    parser.add_argument("--errors", type=int, default=100, help="stop a point after this many failures")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads(), help="torch threads")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    table = TablePrinter("MCS", "Es/N0 dB", "Eb/N0 dB", "packets", "failed", "BLER", "95 % interval")
    chains = ChainCache()
    points = []
    for index, (first, step, count) in GRID.items():
        for position in range(count):
            point = measure_point(index, first + position * step, chains, options.packets, options.errors)
            points.append(point)
            snr = f"{point.es_n0_db:.2f}", f"{point.eb_n0_db:.2f}"
            bler = f"{point.bler:.4f}", f"{point.low:.4f} to {point.high:.4f}"
            table.add(point.mcs, *snr, point.packets, point.errors, *bler)
            if point.errors == 0:
                break
    if options.out:
        draw(points, options.out)


if __name__ == "__main__":
    main()
