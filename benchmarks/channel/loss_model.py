"""Predicted packet loss (``channel.link.loss_model``) against the simulated link, per channel and SNR.

The three SNRs of a channel are those with a predicted loss of 30, 10 and 3 % (Gilbert-Elliott, whose bursts lose 10 %:
50, 30 and 15 %). The prediction is compared without its margin of 0.5 dB. The offset is the number of dB by which the
predicted curve must move to higher SNR to fit the simulated losses of all three points best (maximum likelihood).
Writes docs/results/loss-model.json and .md.

    python -m benchmarks.channel.loss_model --packets 500
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Final

import numpy as np
import torch
from scipy.optimize import minimize_scalar
from scipy.stats import binomtest

from benchmarks.common.arguments import make_parser
from benchmarks.common.report import describe_machine, make_table, write_report
from channel.link.link import Link
from channel.link.loss_model import predict_packet_loss
from channel.link.outcome import PacketOutcome
from channel.phy.coding import ChainCache
from channel.phy.mcs import mcs
from channel.phy.mcs_selection import DEFAULT_MARGIN_DB
from channel.profile.registry import load_profile

if TYPE_CHECKING:
    from collections.abc import Sequence

    from channel.config import ChannelConfig

PACKET_BYTES: Final = 256
TARGETS: Final = (0.3, 0.1, 0.03)
CASES: Final = (
    ("awgn", 8, TARGETS),
    ("rayleigh", 8, TARGETS),
    ("rician", 8, TARGETS),
    ("tdl-a", 8, TARGETS),
    ("tdl-b", 8, TARGETS),
    ("tdl-c", 8, TARGETS),
    ("tdl-d", 8, TARGETS),
    ("tdl-e", 8, TARGETS),
    ("gilbert-elliott", 8, (0.5, 0.3, 0.15)),
)
"""Channel profile, MCS and predicted losses."""
FADING: Final = ("rayleigh", "rician", "tdl")


@dataclass(frozen=True, slots=True)
class Point:
    """One channel at one SNR; ``low`` and ``high`` bound the simulated loss with 95 % (Clopper-Pearson)."""

    channel: str
    mcs: int
    es_n0_db: float
    predicted: float
    packets: int
    lost: int
    low: float
    high: float


def independent_fading(channel: str) -> dict[str, str]:
    """Return the change with which packets fade on their own, so that their number says how many fades are counted."""
    return {"propagation.fading": "independent"} if channel.startswith(FADING) else {}


def configure(channel: str, index: int, es_n0_db: float, run_seed: int = 0) -> ChannelConfig:
    changes = {"snr_db": str(es_n0_db), "mcs": str(index)} | independent_fading(channel)
    return load_profile(channel, changes).config(run_seed=run_seed)


@lru_cache(maxsize=4096)
def predict(channel: str, index: int, es_n0_db: float) -> float:
    """Return the predicted loss without the margin."""
    return predict_packet_loss(configure(channel, index, es_n0_db + DEFAULT_MARGIN_DB), mcs(index), PACKET_BYTES)


def find_snr_db(channel: str, index: int, target: float) -> float:
    """Return the Es/N0, to 0.01 dB, at which the predicted loss is ``target``."""
    low, high = -10.0, 50.0
    while high - low > 0.005:
        middle = (low + high) / 2
        low, high = (middle, high) if predict(channel, index, middle) > target else (low, middle)
    return round(high, 2)


def simulate(channel: str, index: int, es_n0_db: float, packets: int, run_seed: int, chains: ChainCache) -> Point:
    """Send ``packets`` packets; where losses come in bursts, each is a picture of its own, so all are independent."""
    config = configure(channel, index, es_n0_db, run_seed)
    link = Link(config, chains)
    packet = bytes([8, 1, 0xC0, 0]) + (PACKET_BYTES - 7).to_bytes(2, "big") + bytes(PACKET_BYTES - 6)
    each = 1 if config.impairments.bursts else min(packets, 50)
    sent = lost = 0
    while sent < packets:
        arrivals = link.transmit([packet] * each, picture_index=sent)
        sent += each
        lost += sum(arrival.outcome is not PacketOutcome.DELIVERED for arrival in arrivals)
    interval = binomtest(lost, sent).proportion_ci(0.95, method="exact")
    return Point(
        channel,
        index,
        es_n0_db,
        predict(channel, index, es_n0_db),
        sent,
        lost,
        float(interval.low),
        float(interval.high),
    )


def fit_offset_db(points: Sequence[Point]) -> float:
    """Return by how many dB the predicted curve must move to higher SNR to fit ``points``."""

    def unlikelihood(shift_db: float) -> float:
        total = 0.0
        for point in points:
            loss = predict(point.channel, point.mcs, round(point.es_n0_db - shift_db, 4))
            loss = float(np.clip(loss, 1e-9, 1 - 1e-9))
            total -= point.lost * np.log(loss) + (point.packets - point.lost) * np.log1p(-loss)
        return float(total)

    return float(minimize_scalar(unlikelihood, bounds=(-4.0, 4.0), method="bounded", options={"xatol": 0.01}).x)


def make_page(points: Sequence[Point], packets: int) -> str:
    """Return the table with what it is."""
    rows = []
    for channel, index, _ in CASES:
        own = [point for point in points if (point.channel, point.mcs) == (channel, index)]
        offset = f"{fit_offset_db(own):+.2f}"
        for point in own:
            simulated = f"{point.lost / point.packets:.3f} ({point.low:.3f} to {point.high:.3f})"
            rows.append([channel, index, f"{point.es_n0_db:.2f}", f"{point.predicted:.3f}", simulated, offset])
            offset = ""
    header = ["channel", "MCS", "Es/N0 dB", "predicted loss", "simulated loss (95 % interval)", "offset dB"]
    return (
        "# Predicted and simulated packet loss\n\n"
        f"`python -m benchmarks.channel.loss_model --packets {packets}` on {describe_machine()}: packets of\n"
        f"{PACKET_BYTES} bytes, {packets} per point. Packets fade independently. Predictions are "
        f"without their margin of {DEFAULT_MARGIN_DB} dB.\n"
        "The offset is the number of dB by which the predicted curve must move to higher SNR to fit all three\n"
        "points best.\n\n" + make_table(header, rows)
    )


def main() -> None:
    parser = make_parser(__doc__, "loss-model.md")
    parser.add_argument("--packets", type=int, default=500, help="packets per point")
    parser.add_argument("--threads", type=int, default=1, help="torch threads")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    chains = ChainCache()
    points = []
    for channel, index, targets in CASES:
        for target in targets:
            es_n0_db = find_snr_db(channel, index, target)
            # Every point has a seed of its own, so that points of one channel have independent fades.
            point = simulate(channel, index, es_n0_db, options.packets, len(points), chains)
            print(point, flush=True)
            points.append(point)
    found = {"packets": options.packets, "points": [asdict(point) for point in points]}
    options.out.with_suffix(".json").write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    write_report(make_page(points, options.packets), options.out)


if __name__ == "__main__":
    main()
