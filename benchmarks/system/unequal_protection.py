"""Unequal against equal protection at equal channel uses: quality over SNR, over AWGN and Rayleigh block fading.

Pictures of val.parquet that ``benchmarks.decoder.stream_importance`` did not see are encoded with codec ``layered`` (an
HCI, two latent channels and a caption) and sent in as many channel uses as they take under MCS ``MCS`` without repair:
under that MCS; under the one MCS and overhead that are best for all streams; with an MCS and repair packets for
each stream (semlink/pipeline/protection.py); and the HCI alone under the MCS and the overhead that are best for it in
the channel uses of all three. All packets go over the simulated link, and the receiver decodes what arrives.
``--seeds`` are transmissions of each picture over Rayleigh fading; over AWGN, where packets share one SNR, a quarter of
them, at least two.

    python -m benchmarks.system.unequal_protection --pictures 4 --seeds 16

writes docs/results/unequal-protection.json, .md and .png; ``--draw`` writes the last two from the first.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.common.pictures import load_validation_pictures
from benchmarks.common.points import measure_or_draw
from benchmarks.decoder.stream_importance import ReceivedQuality
from channel.link.channel_uses import count_channel_uses
from channel.phy.coding import ChainCache
from channel.profile.registry import load_profile
from semlink.pipeline.pipeline import receive, transmit
from semlink.pipeline.protection import (
    choose_equal_protection,
    choose_unequal_protection,
    predict_equal_protection,
    predict_options,
    profile_changes,
    stream_lengths,
    total_uses,
)
from semlink.pipeline.stream_importance import load_importance
from sender.encode import encode_picture
from sender.extractors.extractors import Extractors
from sender.repair import repair_packets
from shared.codecs.builtin import LAYERED
from shared.packets import Packetiser
from shared.picture import encode_png, load_picture
from shared.repair.encoder import RepairEncoder
from shared.repair.packet import kinds_of
from shared.streams import StreamKind
from training.data import TRAIN

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from channel.config import ChannelConfig
    from semlink.pipeline.protection import Protection
    from shared.bitstream import Bitstream

FIRST_PICTURE = 4
BYTES = 600
PACKET_BYTES = 128
MCS = 6
SNRS_DB = {"awgn": (-8, -6, -4, -2, 0, 1, 2, 4), "rayleigh": (-5, 0, 5, 10, 15, 20)}
WAYS = {
    "equal": f"MCS {MCS} for all",
    "best equal": "best MCS and repair for all",
    "unequal": "MCS and repair per stream",
    "HCI only": "other streams not sent",
}
SHOWN = {"lpips_alex": "LPIPS-Alex ↓", "psnr_db": "PSNR dB"}


@dataclass(frozen=True, slots=True)
class Point:
    """Means over ``transmissions``, that is pictures and seeds; ``_se``: standard errors over them.

    ``lpips_alex_more`` is by how much LPIPS-Alex is above that of "HCI only" under the same noise and fading.
    ``protection`` is that of the last picture, by stream.
    """

    channel: str
    es_n0_db: float
    way: str
    transmissions: int
    channel_uses: float
    expected_lpips_alex: float
    lpips_alex: float
    lpips_alex_se: float
    lpips_alex_more: float
    lpips_alex_more_se: float
    psnr_db: float
    psnr_db_se: float
    hci_complete: float
    protection: dict[str, str]


@dataclass(frozen=True, slots=True)
class Transmission:
    """Result of one picture under one seed."""

    channel_uses: int
    expected_lpips_alex: float
    lpips_alex: float
    psnr_db: float
    hci_complete: bool


class Run:
    """State that all points share: encoded pictures, networks, codes, and results of earlier transmissions."""

    def __init__(self, pictures: int, seeds: int) -> None:
        self._seeds = {"awgn": max(2, seeds // 4), "rayleigh": seeds}
        self._received, self._chains = ReceivedQuality(), ChainCache()
        self._received_streams: dict[tuple[object, ...], Bitstream | None] = {}
        self._qualities: dict[tuple[int, tuple[StreamKind, ...]], tuple[float, float]] = {}
        self._originals = load_validation_pictures(TRAIN, pictures, first=FIRST_PICTURE)
        extractors = Extractors()
        self._packets = [
            Packetiser(PACKET_BYTES).packetise(
                encode_picture(load_picture(encode_png(original)), LAYERED, extractors, BYTES), 0, LAYERED.streams
            )
            for original in self._originals
        ]

    def points(self, channel: str, es_n0_db: float) -> list[Point]:
        """Return the means of all ways at one SNR."""
        found = {way: self._transmissions(channel, es_n0_db, way) for way in WAYS}
        reference = np.array([one.lpips_alex for one in found["HCI only"][0]])
        return [
            _point(channel, es_n0_db, way, transmissions, reference, protection)
            for way, (transmissions, protection) in found.items()
        ]

    def _transmissions(self, channel: str, es_n0_db: float, way: str) -> tuple[list[Transmission], dict[str, str]]:
        """Return one transmission per picture and seed, and the protection of the last picture."""
        found, chosen = [], {}
        settings = {"snr_db": str(es_n0_db), "mcs": str(MCS)}
        for index, packets in enumerate(self._packets):
            lengths = stream_lengths(packets)
            chosen = _chosen(way, lengths, load_profile(channel, settings).config())
            expected = load_importance().expected_loss({kind: one.complete for kind, one in chosen.items()})
            changes = profile_changes(chosen, {kind: len(sizes) for kind, sizes in lengths.items()})
            profile = load_profile(channel, settings | changes)
            streams = [packet for packet in packets if kinds_of(packet)[0] in chosen]
            sent = [*streams, *repair_packets(streams, profile.repair_overheads(), RepairEncoder())]
            for seed in range(self._seeds[channel]):
                config = profile.config(run_seed=seed)
                key = (channel, es_n0_db, index, seed, *sorted(changes.items()))
                if key not in self._received_streams:
                    transmitted = transmit(sent, config, picture_index=index, chains=self._chains)
                    self._received_streams[key] = receive(transmitted.arrivals).bitstream()
                received = self._received_streams[key]
                complete = received is not None and any(one.kind is StreamKind.HCI for one in received.streams)
                found.append(
                    Transmission(count_channel_uses(sent, config), expected, *self._quality(index, received), complete)
                )
        return found, {kind.name: f"{one.scheme.index}+{one.repair_packets}" for kind, one in chosen.items()}

    def _quality(self, index: int, received: Bitstream | None) -> tuple[float, float]:
        """Return the quality of the received streams; the same streams of a picture are the same bytes."""
        key = index, () if received is None else tuple(stream.kind for stream in received.streams)
        if key not in self._qualities:
            self._qualities[key] = self._received.quality(received, self._originals[index])
        return self._qualities[key]


def _point(
    channel: str,
    es_n0_db: float,
    way: str,
    transmissions: Sequence[Transmission],
    reference: NDArray[np.float64],
    protection: dict[str, str],
) -> Point:
    lpips_alex = np.array([one.lpips_alex for one in transmissions])
    psnr = np.array([one.psnr_db for one in transmissions])
    return Point(
        channel=channel,
        es_n0_db=es_n0_db,
        way=way,
        transmissions=len(transmissions),
        channel_uses=float(np.mean([one.channel_uses for one in transmissions])),
        expected_lpips_alex=float(np.mean([one.expected_lpips_alex for one in transmissions])),
        lpips_alex=float(lpips_alex.mean()),
        lpips_alex_se=_standard_error(lpips_alex),
        lpips_alex_more=float((lpips_alex - reference).mean()),
        lpips_alex_more_se=_standard_error(lpips_alex - reference),
        psnr_db=float(psnr.mean()),
        psnr_db_se=_standard_error(psnr),
        hci_complete=float(np.mean([one.hci_complete for one in transmissions])),
        protection=protection,
    )


def _standard_error(values: NDArray[np.float64]) -> float:
    return float(values.std(ddof=1) / math.sqrt(len(values))) if len(values) > 1 else math.nan


def _chosen(way: str, lengths: dict[StreamKind, list[int]], config: ChannelConfig) -> dict[StreamKind, Protection]:
    equal = predict_equal_protection(lengths, config)
    if way == "equal":
        return equal
    options, channel_uses = predict_options(lengths, config), total_uses(equal)
    if way == "HCI only":
        return choose_equal_protection({StreamKind.HCI: options[StreamKind.HCI]}, channel_uses)
    return (choose_equal_protection if way == "best equal" else choose_unequal_protection)(options, channel_uses)


def measure_points(pictures: int, seeds: int) -> list[Point]:
    run, points = Run(pictures, seeds), []
    for channel, snrs_db in SNRS_DB.items():
        for es_n0_db in snrs_db:
            for point in run.points(channel, es_n0_db):
                points.append(point)
                print(point, flush=True)
    return points


TABLES: dict[str, Callable[[Point], str]] = {
    "LPIPS-Alex (as predicted)": lambda p: f"{p.lpips_alex:.3f} ± {p.lpips_alex_se:.3f} ({p.expected_lpips_alex:.3f})",
    "LPIPS-Alex above that of HCI only": lambda p: f"{p.lpips_alex_more:+.3f} ± {p.lpips_alex_more_se:.3f}",
    "PSNR dB": lambda p: f"{p.psnr_db:.2f} ± {p.psnr_db_se:.2f}",
    "share of complete HCIs": lambda p: f"{p.hci_complete:.2f}",
    "channel uses, mean": lambda p: f"{p.channel_uses:.0f}",
    "MCS + repair packets": lambda p: ", ".join(f"{name} {value}" for name, value in p.protection.items()),
}


def make_report(points: Sequence[Point], *, pictures: int, seeds: int) -> str:
    over = {point.channel: point.transmissions for point in points}
    lines = [
        "# Unequal against equal protection at equal channel uses",
        "",
        f"`python -m benchmarks.system.unequal_protection --pictures {pictures} --seeds {seeds}`:",
        f"{pictures} pictures of val.parquet with codec `layered` (HCI, two latent channels, caption) in {BYTES}",
        f"bytes, packets of at most {PACKET_BYTES} bytes, in the channel uses of MCS {MCS} without repair;",
        f"{over['awgn']} transmissions a point over AWGN,",
        f"{over['rayleigh']} over Rayleigh fading with one coefficient per packet; ± standard errors over them all.",
        "`HCI only` sends neither latent nor caption and spends all channel uses on the HCI. Decoder: pocket. How the",
        "protection is chosen: [protection.md](../protection.md).",
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
            for (way, text), style in zip(WAYS.items(), (":", "--", "-", "-."), strict=True):
                curve = _curve(points, channel, way)
                axes.errorbar(
                    [point.es_n0_db for point in curve],
                    [getattr(point, measure) for point in curve],
                    [getattr(point, f"{measure}_se") for point in curve],
                    linestyle=style,
                    capsize=2,
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
    figure.legend(handles, labels, loc="outside lower center", ncols=2)
    figure.suptitle(f"The same packets in the channel uses of MCS {MCS} without repair")
    figure.savefig(path, dpi=100)


def _curve(points: Sequence[Point], channel: str, way: str) -> list[Point]:
    return [point for point in points if (point.channel, point.way) == (channel, way)]


def main() -> None:
    measure_or_draw(
        __doc__,
        "unequal-protection.json",
        {"pictures": 4, "seeds": 16},
        point=Point,
        measure=measure_points,
        report=make_report,
        draw=draw,
    )


if __name__ == "__main__":
    main()
