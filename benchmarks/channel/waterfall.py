"""Waterfalls of the link over AWGN beside the limits: capacity and the normal approximation for short blocks.

Measures as ``benchmarks.channel.bler`` does, from a block error rate (BLER) near 1 to 1e-3 or below. At 1e-3 it states
the gap in dB to the normal approximation at the packet's own length, for its QAM and for the Gaussian channel, and to
capacity. The crossing of 1e-3 comes from ``benchmarks.channel.mcs_thresholds.fit_waterfall`` over all points, with a
95 % parametric bootstrap interval. Information bits are those of the packet: CRC and padding count as loss of the code.

    python -m benchmarks.channel.waterfall --out docs/results/waterfall-awgn.png

``--thresholds`` sends nothing and prints the gaps of ``channel/phy/mcs_thresholds.json`` instead.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from scipy.stats import norm

from benchmarks.channel.bler import BATCH, PACKET_BYTES, Point, measure_point
from benchmarks.channel.mcs_thresholds import fit_waterfall
from benchmarks.common.arguments import make_parser
from benchmarks.common.report import TablePrinter
from channel.phy.capacity import normal_approximation_bler, required_es_n0_db
from channel.phy.coding import ChainCache
from channel.phy.mcs import mcs, transport_block

if TYPE_CHECKING:
    from collections.abc import Sequence

TARGET_BLER = 1e-3
STEP_DB = 0.25
RESAMPLES = 200
THRESHOLDS = Path(__file__).parents[2] / "channel" / "phy" / "mcs_thresholds.json"
FIRST_DB = {4: -2.5, 8: 1.5, 13: 5.25, 20: 11.25, 28: 18.25}  # where nearly every packet fails


def measure_waterfall(index: int, chains: ChainCache, packets: int, errors: int) -> list[Point]:
    """Return points from ``FIRST_DB`` up to the first at or below the target BLER."""
    points: list[Point] = []
    while not points or points[-1].bler > TARGET_BLER:
        es_n0_db = FIRST_DB[index] + len(points) * STEP_DB
        points.append(measure_point(index, es_n0_db, chains, packets, errors))
    return points


def find_crossing_db(points: Sequence[Point]) -> float:
    """Return the Es/N0 in dB where the fit to ``points`` crosses the target BLER."""
    mu, sigma = fit_waterfall(points)
    return float(mu + sigma * norm.isf(TARGET_BLER))


def find_crossing_interval_db(points: Sequence[Point]) -> tuple[float, float]:
    """Return the 95 % interval of the crossing, from fits to failures drawn from the first fit (bootstrap)."""
    mu, sigma = fit_waterfall(points)
    random = np.random.default_rng(0)
    crossings = [
        find_crossing_db(
            [
                replace(point, errors=random.binomial(point.packets, norm.sf((point.es_n0_db - mu) / sigma)))
                for point in points
            ]
        )
        for _ in range(RESAMPLES)
    ]
    low, high = np.quantile(crossings, [0.025, 0.975])
    return float(low), float(high)


def compute_limits_db(index: int) -> dict[str, float]:
    """Return the least Es/N0 for ``PACKET_BYTES`` in the scheme's channel uses at the target BLER, by each limit."""
    scheme = mcs(index)
    bits, uses = 8 * PACKET_BYTES, transport_block(PACKET_BYTES, scheme).channel_uses
    return {
        "normal QAM": required_es_n0_db(bits, uses, TARGET_BLER, scheme.modulation_order),
        "normal Gaussian": required_es_n0_db(bits, uses, TARGET_BLER),
        "capacity QAM": required_es_n0_db(bits, uses, None, scheme.modulation_order),
        "capacity Gaussian": required_es_n0_db(bits, uses),
    }


def draw(curves: dict[int, list[Point]], path: Path) -> None:
    import matplotlib as mpl  # noqa: PLC0415 - only with --out

    mpl.use("Agg")
    from matplotlib import pyplot as plt  # noqa: PLC0415

    figure, axes = plt.subplots(figsize=(9, 5.5), layout="constrained")
    for index, points in curves.items():
        scheme = mcs(index)
        uses, limits = transport_block(PACKET_BYTES, scheme).channel_uses, compute_limits_db(index)
        shown = [point for point in points if point.bler > 0]
        spread = [[point.bler - point.low for point in shown], [point.high - point.bler for point in shown]]
        low, high = limits["capacity Gaussian"] - 0.3, points[-1].es_n0_db
        grid = np.linspace(low, high, 80)
        line, *_ = axes.errorbar(
            [point.es_n0_db for point in shown],
            [point.bler for point in shown],
            yerr=spread,
            marker="o",
            markersize=4,
            capsize=2,
            label=f"MCS {index}: {scheme.modulation}, R = {scheme.rate:.2f}",
        )
        for order, style in ((scheme.modulation_order, "--"), (0, ":")):
            bound = [normal_approximation_bler(8 * PACKET_BYTES, uses, float(db), order) for db in grid]
            axes.plot(grid, bound, style, color=line.get_color(), linewidth=1)
        axes.axvline(limits["capacity QAM"], color=line.get_color(), linewidth=0.6, alpha=0.6)
    axes.plot([], [], "k--", linewidth=1, label="normal approximation, QAM")
    axes.plot([], [], "k:", linewidth=1, label="normal approximation, Gaussian")
    axes.plot([], [], "k-", linewidth=0.6, label="capacity, QAM")
    axes.axhline(TARGET_BLER, color="grey", linewidth=0.6)
    axes.set(
        yscale="log",
        ylim=(2e-4, 1.3),
        xlabel="Es/N0 per complex symbol [dB]",
        ylabel="BLER",
        title=f"{PACKET_BYTES}-byte packets over AWGN, 20 BP iterations, and the limits at that length",
    )
    axes.grid(which="both", alpha=0.3)
    figure.legend(loc="outside lower center", ncols=4, fontsize=8)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=120)


def print_threshold_gaps(indices: Sequence[int]) -> None:
    """Print the gaps of the committed thresholds, which ``benchmarks.channel.mcs_thresholds`` measured."""
    rows = {row["mcs"]: row for row in json.loads(THRESHOLDS.read_text(encoding="utf-8"))["schemes"]}
    print("| MCS | packets | lowest BLER | Es/N0 dB at BLER 1e-3 | " + " | ".join(compute_limits_db(indices[0])) + " |")
    print("| ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
    for index in indices:
        row = rows[index]
        reached = row["es_n0_db_at_1e-3"]
        gaps = " | ".join(f"{reached - limit:.2f}" for limit in compute_limits_db(index).values())
        print(f"| {index} | {row['packets']} | {row['lowest_bler']:.1g} | {reached:.2f} | {gaps} |")


def main() -> None:
    parser = make_parser(__doc__, what="plot")
    parser.add_argument("--packets", type=int, default=500, help=f"most packets per point, in batches of {BATCH}")
    parser.add_argument("--errors", type=int, default=20, help="stop a point after this many failures")
    parser.add_argument("--mcs", type=int, nargs="+", choices=list(FIRST_DB), default=list(FIRST_DB))
    parser.add_argument("--threads", type=int, default=torch.get_num_threads(), help="torch threads")
    parser.add_argument(
        "--thresholds", action="store_true", help="print the gaps of the committed thresholds and measure nothing"
    )
    options = parser.parse_args()
    if options.thresholds:
        print_threshold_gaps(options.mcs)
        return
    torch.set_num_threads(options.threads)
    chains = ChainCache()
    curves: dict[int, list[Point]] = {}
    limits = "gap dB: normal QAM", "normal Gaussian", "capacity QAM", "capacity Gaussian"
    table = TablePrinter("MCS", "packets", "lowest BLER", "Es/N0 dB at BLER 1e-3", "95 % interval", *limits)
    for index in options.mcs:
        points = curves[index] = measure_waterfall(index, chains, options.packets, options.errors)
        reached, (low, high) = find_crossing_db(points), find_crossing_interval_db(points)
        gaps = [f"{reached - limit:.2f}" for limit in compute_limits_db(index).values()]
        packets, lowest = sum(point.packets for point in points), f"{points[-1].bler:.1g}"
        table.add(index, packets, lowest, f"{reached:.2f}", f"{low:.2f} to {high:.2f}", *gaps)
    if options.out:
        draw(curves, options.out)


if __name__ == "__main__":
    main()
