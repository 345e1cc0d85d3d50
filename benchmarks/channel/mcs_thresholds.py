"""Es/N0 thresholds of every scheme for BLER 1e-1 and 1e-3 over AWGN: the data of ``channel/phy/mcs_selection.py``.

For each scheme it measures the waterfall until few packets fail and fits BLER = Q((Es/N0 - mu) / sigma), both in dB,
by maximum likelihood over all points: the finite-length scaling law of iterative decoding (Amraoui, Montanari,
Richardson and Urbanke, IEEE Trans. Inf. Theory 55(2), 2009) in dB. With the default number of packets the value at 1e-3
is an extrapolation by that law; more packets reach down to it. ``--mcs`` measures some rows again and keeps the others.

    python -m benchmarks.channel.mcs_thresholds --packets 100 --out channel/phy/mcs_thresholds.json
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import torch
from scipy.optimize import minimize
from scipy.stats import norm

from benchmarks.channel.bler import PACKET_BYTES, Point, measure_point
from benchmarks.common.arguments import make_parser
from benchmarks.common.report import TablePrinter
from channel.phy.capacity import required_es_n0_db
from channel.phy.coding import ChainCache
from channel.phy.mcs import MCS_INDICES, mcs, transport_block

if TYPE_CHECKING:
    from collections.abc import Sequence

STEP_DB = 0.15
IMPLEMENTATION_GAP_DB = 0.8  # least gap of LDPC with 20 iterations to the normal approximation


def measure_waterfall(index: int, chains: ChainCache, packets: int) -> list[Point]:
    """Return points from an SNR at which most packets fail up to one at which at most one in fifty fails."""
    block = transport_block(PACKET_BYTES, mcs(index))
    es_n0_db = required_es_n0_db(8 * PACKET_BYTES, block.channel_uses, 0.5, mcs(index).modulation_order)
    es_n0_db += IMPLEMENTATION_GAP_DB
    points: list[Point] = []
    while not points or points[-1].bler > 0.02:
        points.append(measure_point(index, round(es_n0_db, 2), chains, packets, max(1, packets // 2)))
        es_n0_db += STEP_DB if points[-1].bler < 0.95 else 2 * STEP_DB
    return points


def fit_waterfall(points: Sequence[Point]) -> tuple[float, float]:
    """Return mu and sigma in dB of the maximum-likelihood BLER = Q((Es/N0 - mu) / sigma)."""
    es_n0_db = np.array([point.es_n0_db for point in points])
    failed = np.array([point.errors for point in points])
    sent = np.array([point.packets for point in points])

    def loss(parameters: np.ndarray) -> float:
        margin = (es_n0_db - parameters[0]) / np.exp(parameters[1])
        return float(-np.sum(failed * norm.logsf(margin) + (sent - failed) * norm.logcdf(margin)))

    found = minimize(loss, [float(np.median(es_n0_db)), np.log(0.3)], method="Nelder-Mead").x
    return float(found[0]), float(np.exp(found[1]))


def measure_row(index: int, chains: ChainCache, packets: int) -> dict[str, float | int]:
    points = measure_waterfall(index, chains, packets)
    mu, sigma = fit_waterfall(points)
    return {
        "mcs": index,
        "es_n0_db_at_1e-1": round(mu + sigma * norm.isf(1e-1), 3),
        "es_n0_db_at_1e-3": round(mu + sigma * norm.isf(1e-3), 3),
        "packets": sum(point.packets for point in points),
        "lowest_bler": points[-1].bler,
    }


def main() -> None:
    parser = make_parser(__doc__, what="JSON file to update or")
    parser.add_argument("--packets", type=int, default=1000, help="packets per point")
    parser.add_argument("--mcs", type=int, nargs="+", default=list(MCS_INDICES), help="schemes to measure")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads(), help="torch threads")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    chains = ChainCache()
    known = json.loads(options.out.read_text())["schemes"] if options.out and options.out.exists() else []
    rows = {entry["mcs"]: entry for entry in known}
    table = TablePrinter("MCS", "Es/N0 dB at 1e-1", "Es/N0 dB at 1e-3", "packets", "lowest BLER")
    for index in options.mcs:
        rows[index] = measure_row(index, chains, options.packets)
        table.add(*rows[index].values())
        if options.out:
            schemes = [rows[known_index] for known_index in sorted(rows)]
            options.out.write_text(
                json.dumps(
                    {"command": "python -m benchmarks.channel.mcs_thresholds", "packet_bytes": PACKET_BYTES}, indent=1
                )[:-2]
                + ',\n "schemes": [\n'
                + ",\n".join("  " + json.dumps(entry) for entry in schemes)
                + "\n ]\n}\n"
            )


if __name__ == "__main__":
    main()
