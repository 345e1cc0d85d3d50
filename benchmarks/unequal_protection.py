"""Unequal against equal protection at equal channel uses: quality over SNR, over AWGN and Rayleigh block fading.

Pictures of val.parquet that ``benchmarks.stream_importance`` did not see are encoded with an HCI, a caption and regions
and sent in as many channel uses as they take under MCS ``MCS`` without repair: under that MCS; under the MCS and the
overhead that are best for all streams alike; and with an MCS and repair packets for each stream (lab/protection.py).
All packets go over the simulated link, and the receiver decodes what came.

    python -m benchmarks.unequal_protection --pictures 2

writes docs/results/unequal-protection.json, .md and .png; ``--draw`` writes the last two from the first.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.stream_importance import DATA, Judge, recipe
from channel.library import profile_named
from channel.phy import ChainCache
from lab.channel_uses import carried, uses_of
from lab.protection import (
    best_equal_protection,
    equal_protection,
    measured_importance,
    settings_of,
    stream_lengths,
    unequal_protection,
)
from sender.encode import encode_picture
from sender.extractors import Extractors
from sender.repair import repair_packets
from shared.packets import Packetiser
from shared.picture import encode_png, load_picture
from shared.repair.encoder import RepairEncoder
from training.latent.pictures import cells, pixels

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from channel.config import ChannelConfig
    from lab.protection import Protection
    from shared.bitstream import Bitstream
    from shared.streams import StreamKind

RESULT = Path(__file__).parents[1] / "docs" / "results" / "unequal-protection.json"
FIRST_PICTURE = 3
BYTES = 600
PACKET_BYTES = 128
MCS = 6
SNRS_DB = {"awgn": (-2, -1, 0, 1, 2, 4), "rayleigh": (0, 5, 10, 15, 20)}
SEEDS = {"awgn": 2, "rayleigh": 8}
WAYS = {"equal": f"MCS {MCS} for all", "best equal": "best MCS and repair, alike", "unequal": "each stream its own"}
SHOWN = {"lpips": "LPIPS form, lower is nearer", "psnr_db": "PSNR dB"}


@dataclass(frozen=True, slots=True)
class Point:
    """Means over pictures and seeds; ``protection`` is that of the last picture, by stream."""

    channel: str
    es_n0_db: float
    way: str
    channel_uses: float
    expected_lpips: float
    lpips: float
    psnr_db: float
    hci_whole: float
    protection: dict[str, str]


class Run:
    """What all points share: the encoded pictures, the networks, the codes."""

    def __init__(self, pictures: int) -> None:
        self._judge, self._chains = Judge(), ChainCache()
        self._qualities: dict[tuple[int, tuple[StreamKind, ...]], tuple[float, float]] = {}
        self.originals = [pixels(cell) for cell, _ in cells(DATA)[FIRST_PICTURE : FIRST_PICTURE + pictures]]
        extractors = Extractors()
        self._packets = [
            Packetiser(PACKET_BYTES).packetise(
                encode_picture(load_picture(encode_png(original)), recipe(), extractors, BYTES), 0
            )
            for original in self.originals
        ]

    def point(self, channel: str, es_n0_db: float, way: str) -> Point:
        """Return the means at one SNR."""
        rows, chosen = [], {}
        for index, original in enumerate(self.originals):
            settings = {"snr_db": str(es_n0_db), "mcs": str(MCS)}
            lengths = stream_lengths(self._packets[index])
            chosen = _chosen(way, lengths, profile_named(channel, settings).config())
            expected = measured_importance().expected_loss({kind: one.whole for kind, one in chosen.items()})
            profile = profile_named(channel, settings | settings_of(chosen, lengths))
            repairs = repair_packets(self._packets[index], profile.repair_overheads(), RepairEncoder())
            sent = [*self._packets[index], *repairs]
            for seed in range(SEEDS[channel]):
                config = profile.config(run_seed=seed)
                came = carried(sent, config, picture_index=index, chains=self._chains).bitstream
                kinds = () if came is None else tuple(stream.kind for stream in came.streams)
                quality = self._quality(index, original, came, kinds)
                rows.append((uses_of(sent, config), expected, *quality, any(kind.name == "HCI" for kind in kinds)))
        protection = {kind.name: f"{one.scheme.index}+{one.repair_packets}" for kind, one in chosen.items()}
        return Point(channel, es_n0_db, way, *np.mean(rows, axis=0).tolist(), protection)

    def _quality(
        self, index: int, original: NDArray[np.uint8], came: Bitstream | None, kinds: tuple[StreamKind, ...]
    ) -> tuple[float, float]:
        """Return the quality of what came; the same streams of a picture are the same bytes."""
        if (index, kinds) not in self._qualities:
            self._qualities[index, kinds] = self._judge.quality(came, original)
        return self._qualities[index, kinds]


def _chosen(way: str, lengths: dict[StreamKind, list[int]], config: ChannelConfig) -> dict[StreamKind, Protection]:
    equal = equal_protection(lengths, config)
    if way == "equal":
        return equal
    room = sum(one.channel_uses for one in equal.values())
    return (best_equal_protection if way == "best equal" else unequal_protection)(lengths, config, room)


def measured(pictures: int) -> list[Point]:
    run, points = Run(pictures), []
    for channel, snrs_db in SNRS_DB.items():
        for es_n0_db in snrs_db:
            for way in WAYS:
                points.append(run.point(channel, es_n0_db, way))
                print(points[-1], flush=True)
    return points


TABLES: dict[str, Callable[[Point], str]] = {
    "LPIPS form, lower is nearer (as foretold)": lambda p: f"{p.lpips:.3f} ({p.expected_lpips:.3f})",
    "PSNR dB": lambda p: f"{p.psnr_db:.2f}",
    "HCI whole, share": lambda p: f"{p.hci_whole:.2f}",
    "channel uses, mean": lambda p: f"{p.channel_uses:.0f}",
    "MCS + repair packets": lambda p: ", ".join(f"{name} {value}" for name, value in p.protection.items()),
}


def report(points: Sequence[Point], pictures: int) -> str:
    lines = [
        "# Unequal against equal protection at equal channel uses",
        "",
        f"`python -m benchmarks.unequal_protection --pictures {pictures}`: {pictures} pictures of val.parquet with an",
        f"HCI, a caption and regions in {BYTES} bytes, packets of at most {PACKET_BYTES} bytes, in the channel uses of",
        f"MCS {MCS} without repair; {SEEDS['awgn']} seeds over AWGN, {SEEDS['rayleigh']} over Rayleigh fading with one",
        "coefficient per packet. Decoder: pocket. How the protection is chosen: [protection.md](../protection.md).",
        "",
        "![Quality over SNR](unequal-protection.png)",
    ]
    for channel, snrs_db in SNRS_DB.items():
        lines += ["", f"## {channel}"]
        for title, text in TABLES.items():
            lines += ["", f"| {title}, at Es/N0 dB | " + " | ".join(f"{db:g}" for db in snrs_db) + " |"]
            lines.append("| --- |" + " ---: |" * len(snrs_db))
            for way in WAYS:
                lines.append(f"| {way} | " + " | ".join(text(point) for point in _curve(points, channel, way)) + " |")
    return "\n".join(lines) + "\n"


def draw(points: Sequence[Point], path: Path) -> None:
    import matplotlib as mpl  # noqa: PLC0415 - a second

    mpl.use("Agg")
    from matplotlib import pyplot as plt  # noqa: PLC0415

    figure, panels = plt.subplots(len(SHOWN), len(SNRS_DB), figsize=(10, 7), sharex="col", layout="constrained")
    for row, (measure, name) in zip(panels, SHOWN.items(), strict=True):
        for axes, channel in zip(row, SNRS_DB, strict=True):
            for (way, text), style in zip(WAYS.items(), (":", "--", "-"), strict=True):
                curve = _curve(points, channel, way)
                axes.plot(
                    [point.es_n0_db for point in curve],
                    [getattr(point, measure) for point in curve],
                    style,
                    marker="o",
                    markersize=4,
                    label=f"{way}: {text}",
                )
            axes.grid(alpha=0.3)
            axes.set_ylabel(name)
    for axes, title in zip(panels[0], ("AWGN", "Rayleigh, one coefficient per packet"), strict=True):
        axes.set_title(title)
    for axes in panels[-1]:
        axes.set_xlabel("Es/N0 dB")
    handles, labels = panels[0][0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(labels))
    figure.suptitle(f"The same packets in the channel uses of MCS {MCS} without repair")
    figure.savefig(path, dpi=100)


def _curve(points: Sequence[Point], channel: str, way: str) -> list[Point]:
    return [point for point in points if (point.channel, point.way) == (channel, way)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=int, default=2)
    parser.add_argument("--draw", action="store_true", help="draw what was measured before")
    options = parser.parse_args()
    if not options.draw:
        found = {"pictures": options.pictures, "points": [asdict(point) for point in measured(options.pictures)]}
        RESULT.write_text(json.dumps(found, indent=0), encoding="utf-8")
    found = json.loads(RESULT.read_text(encoding="utf-8"))
    points = [Point(**one) for one in found["points"]]
    RESULT.with_suffix(".md").write_text(report(points, found["pictures"]), encoding="utf-8")
    draw(points, RESULT.with_suffix(".png"))


if __name__ == "__main__":
    main()
