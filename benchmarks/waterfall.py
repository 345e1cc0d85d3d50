"""Waterfalls of the link over AWGN beside what is possible: capacity and the normal approximation for short blocks.

Measures as ``benchmarks.bler`` does, from a BLER near 1 to below 1e-3, and states the gap in dB at 1e-3 to the normal
approximation at the packet's own length, for its QAM and for the Gaussian channel, and to capacity. Information bits
are those of the packet: CRC and padding count as loss of the code. Where no point lies below 1e-3 the table says so.

    python -m benchmarks.waterfall --packets 30000 --errors 30 --plot docs/results/waterfall-awgn.png
"""

from __future__ import annotations

import argparse
import json
import math
from dataclasses import asdict
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from benchmarks.bler import BATCH, PACKET_BYTES, Point, measured
from channel.bounds import normal_approximation_bler, required_es_n0_db
from channel.mcs import mcs, transport_block
from channel.phy import ChainCache

if TYPE_CHECKING:
    from collections.abc import Sequence

TARGET_BLER = 1e-3
STEP_DB = 0.125
FIRST_DB = {4: -2.5, 8: 1.5, 13: 5.25, 20: 11.25, 28: 18.25}  # where nearly every packet fails


def waterfall(index: int, chains: ChainCache, packets: int, errors: int) -> list[Point]:
    """Return points from ``FIRST_DB`` on until one lies at or below the target or shows no error."""
    points: list[Point] = []
    while not points or points[-1].bler > TARGET_BLER:
        es_n0_db = FIRST_DB[index] + len(points) * STEP_DB
        points.append(measured(index, es_n0_db, chains, packets, errors))
    return points


def crossing_db(points: Sequence[Point], bler: float) -> float | None:
    """Return the Es/N0 where the curve crosses ``bler``, log-linear between points; None if no two points span it."""
    for upper, lower in pairwise(points):
        if upper.bler >= bler >= lower.bler > 0:
            share = math.log(upper.bler / bler) / math.log(upper.bler / lower.bler) if upper.bler > lower.bler else 0.0
            return upper.es_n0_db + share * (lower.es_n0_db - upper.es_n0_db)
    return None


def limits_db(index: int) -> dict[str, float]:
    """Return the Es/N0 that the limits ask for ``PACKET_BYTES`` in the scheme's channel uses at the target BLER."""
    scheme = mcs(index)
    bits, uses = 8 * PACKET_BYTES, transport_block(PACKET_BYTES, scheme).channel_uses
    return {
        "normal QAM": required_es_n0_db(bits, uses, TARGET_BLER, scheme.modulation_order),
        "normal Gaussian": required_es_n0_db(bits, uses, TARGET_BLER),
        "capacity QAM": required_es_n0_db(bits, uses, None, scheme.modulation_order),
        "capacity Gaussian": required_es_n0_db(bits, uses),
    }


def draw(curves: dict[int, list[Point]], path: Path) -> None:
    import matplotlib as mpl  # noqa: PLC0415 - only with --plot

    mpl.use("Agg")
    from matplotlib import pyplot as plt  # noqa: PLC0415

    figure, axes = plt.subplots(figsize=(9, 5.5), layout="constrained")
    for index, points in curves.items():
        scheme = mcs(index)
        uses, limits = transport_block(PACKET_BYTES, scheme).channel_uses, limits_db(index)
        shown = [point for point in points if point.bler > 0]
        low, high = limits["capacity Gaussian"] - 0.3, points[-1].es_n0_db
        grid = np.linspace(low, high, 80)
        (line,) = axes.plot(
            [point.es_n0_db for point in shown],
            [point.bler for point in shown],
            marker="o",
            markersize=4,
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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--packets", type=int, default=30_000, help=f"most packets per point, in batches of {BATCH}")
    parser.add_argument("--errors", type=int, default=30, help="stop a point after this many failures")
    parser.add_argument("--mcs", type=int, nargs="+", choices=list(FIRST_DB), default=list(FIRST_DB))
    parser.add_argument("--threads", type=int, default=torch.get_num_threads(), help="torch threads")
    parser.add_argument("--json", action="store_true", help="print one JSON object per point instead of the table")
    parser.add_argument("--plot", type=Path, help="draw the waterfalls and their limits into this file")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    chains = ChainCache()
    curves: dict[int, list[Point]] = {}
    if not options.json:
        print(
            "| MCS | Es/N0 dB at BLER 1e-3 | gap dB: normal QAM | normal Gaussian | capacity QAM | capacity Gaussian |"
        )
        print("| --- | --- | --- | --- | --- | --- |")
    for index in options.mcs:
        curves[index] = waterfall(index, chains, options.packets, options.errors)
        if options.json:
            print("\n".join(json.dumps(asdict(point)) for point in curves[index]), flush=True)
            continue
        reached = crossing_db(curves[index], TARGET_BLER)
        gaps = ["not reached" if reached is None else f"{reached - limit:.2f}" for limit in limits_db(index).values()]
        print(
            f"| {index} | {'not reached' if reached is None else f'{reached:.2f}'} | {' | '.join(gaps)} |", flush=True
        )
    if options.plot:
        draw(curves, options.plot)


if __name__ == "__main__":
    main()
