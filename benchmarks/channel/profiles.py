"""Share of packets that are delivered over every channel that ships, against SNR.

Every point sends ``--packets`` packets of ``PACKET_BYTES`` as one picture over the profile with all of its losses. Only
the SNR is changed; an MCS of ``auto`` is replaced by MCS 4, so that curves can be compared.

    python -m benchmarks.channel.profiles --packets 50

writes docs/results/profiles.md and docs/results/profiles.png.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.stats import binomtest

from benchmarks.common.arguments import make_parser
from benchmarks.common.report import write_report
from channel.link.link import Link
from channel.link.outcome import PacketOutcome
from channel.link.transmission import Transmission
from channel.phy.coding import ChainCache
from channel.profile.profile import AUTO
from channel.profile.registry import channel_names, load_profile
from channel.propagation.kinds import MovingReceiver

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from channel.config import ChannelConfig

PACKET_BYTES = 64
MCS = 4
SNRS_DB = (-4.0, -3.0, -2.0, -1.0, 0.0, 2.0, 4.0, 7.0, 10.0, 14.0)
COLUMNS = 4


@dataclass(frozen=True, slots=True)
class Point:
    """The share of packets delivered at one SNR, with its 95 % Clopper-Pearson interval."""

    name: str
    es_n0_db: float
    delivered: float
    low: float
    high: float


def measure_points(packets: int) -> list[Point]:
    chains = ChainCache()
    sent = [_make_packet(seed) for seed in range(packets)]
    points = []
    for name in channel_names():
        for snr_db in SNRS_DB:
            changes = {"snr_db": str(snr_db)} | ({"mcs": str(MCS)} if load_profile(name).mcs == AUTO else {})
            config = _fade_independently(load_profile(name, changes).config(run_seed=1))
            transmission = Transmission(Link(config, chains), 0)
            transmission.carry(sent)
            transmission.finish()
            delivered = transmission.report().outcomes[PacketOutcome.DELIVERED]
            interval = binomtest(delivered, packets).proportion_ci(0.95, method="exact")
            points.append(Point(name, snr_db, delivered / packets, interval.low, interval.high))
        print(name, [point.delivered for point in points[-len(SNRS_DB) :]], flush=True)
    return points


def _fade_independently(config: ChannelConfig) -> ChannelConfig:
    """Return ``config`` with a fade for each packet: the packets of one picture would share few."""
    if not isinstance(config.propagation, MovingReceiver):
        return config
    alone = config.propagation.model_copy(update={"fading": "independent"})
    return config.model_copy(update={"propagation": alone})


def _make_packet(seed: int) -> bytes:
    """Return a Space Packet with random data."""
    header = bytes([0x08, 0x01, 0xC0, 0x00]) + (PACKET_BYTES - 7).to_bytes(2, "big")
    return header + np.random.default_rng(seed).bytes(PACKET_BYTES - len(header))


def report(points: Sequence[Point], packets: int) -> str:
    lines = [
        "# Delivered packets by channel",
        "",
        f"`python -m benchmarks.channel.profiles --packets {packets}`: share of {packets} packets of",
        f"{PACKET_BYTES} bytes that are delivered, over Es/N0 in dB. All other settings are the profile's own,",
        f"with MCS {MCS} in place of `auto`, and packets that fade independently.",
        "",
        "| channel | " + " | ".join(f"{snr_db:g}" for snr_db in SNRS_DB) + " |",
        "| --- |" + " ---: |" * len(SNRS_DB),
    ]
    for name in dict.fromkeys(point.name for point in points):
        shares = [f"{point.delivered:.2f}" for point in points if point.name == name]
        lines.append(f"| `{name}` | " + " | ".join(shares) + " |")
    return "\n".join(lines) + "\n"


def draw(points: Sequence[Point], path: Path) -> None:
    import matplotlib as mpl  # noqa: PLC0415 - a second

    mpl.use("Agg")
    from matplotlib import pyplot as plt  # noqa: PLC0415

    names = list(dict.fromkeys(point.name for point in points))
    rows = -(-len(names) // COLUMNS)
    figure, panels = plt.subplots(
        rows, COLUMNS, figsize=(12, 2.4 * rows), sharex=True, sharey=True, layout="constrained", squeeze=False
    )
    for axes in panels.flat[len(names) :]:
        axes.axis("off")
    for name, axes in zip(names, panels.flat, strict=False):
        for shown, colour in (("awgn", "0.7"), (name, "C0")):
            curve = [point for point in points if point.name == shown]
            axes.plot([p.es_n0_db for p in curve], [p.delivered for p in curve], color=colour, marker=".")
        axes.fill_between(
            [p.es_n0_db for p in curve], [p.low for p in curve], [p.high for p in curve], color="C0", alpha=0.2
        )
        axes.set_title(name, fontsize=10)
        axes.grid(alpha=0.3)
    figure.supxlabel("Es/N0 dB")
    figure.supylabel("share of packets delivered (95 % interval); grey: awgn")
    figure.savefig(path, dpi=100)


def main() -> None:
    parser = make_parser(__doc__, "profiles.md")
    parser.add_argument("--packets", type=int, default=50, help="packets per point")
    options = parser.parse_args()
    points = measure_points(options.packets)
    draw(points, options.out.with_suffix(".png"))
    write_report(report(points, options.packets), options.out)


if __name__ == "__main__":
    main()
