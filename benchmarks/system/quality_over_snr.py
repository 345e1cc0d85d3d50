"""Quality over SNR in steps of half a decibel at equal channel uses: ``resilient``, whole ``hci``, and HEVC + LDPC.

Pictures of val.parquet that ``benchmarks.decoder.stream_importance`` did not see, each in ``CHANNEL_USES`` complex
symbols, over AWGN and Rayleigh fading with one coefficient per packet. Each codec is sent under two rules: ``best``,
the fastest MCS that is predicted to deliver nine of ten whole files at this SNR, with a file that fills the channel
uses; and ``fixed``, the one MCS ``FIXED_MCS`` at every SNR. ``resilient`` cuts its picture for the predicted loss, and
is sent with ``--protect auto`` in the channel uses of its file under the rule's MCS. All packets go over the simulated
link. The receiver only enlarges what arrives (decoder ``hci``), and at a few points decodes ``resilient`` by
``pocket``; where there is nothing, the original's mean colour is measured.

    OMP_NUM_THREADS=1 nice -n 5 python -m benchmarks.system.quality_over_snr --pictures 4 --seeds 4

writes docs/results/quality-over-snr.json, .md and .png; ``--draw`` writes the last two from the first.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.common.pictures import load_validation_pictures
from benchmarks.common.points import measure_or_draw
from channel.link.expected_loss import expected_packet_loss
from channel.phy.coding import ChainCache
from channel.profile.registry import load_profile
from receiver.decoders.base import options_for
from receiver.decoders.upsample import UpsampleDecoder
from receiver.guidance import guidance_in
from receiver.metrics.reporter import Measures
from receiver.pocket.decoder import PocketDecoder
from semlink.client.protected import LEAST_LOSS
from semlink.pipeline.channel_uses import fit_container
from semlink.pipeline.coding_spec import parse_coding_spec
from semlink.pipeline.pipeline import receive, transmit
from semlink.pipeline.protection import (
    predict_equal_protection,
    predict_options,
    profile_changes,
    stream_lengths,
    total_uses,
)
from semlink.pipeline.protection_choice import compare_protections, pick_protection
from semlink.pipeline.separate_coding import FileCache, choose_best_mcs, mean_colour, send_file
from semlink.pipeline.stream_importance import load_importance
from semlink.pipeline.transfer import Protect
from sender.encode import encode_picture
from sender.expected_loss import ExpectedLoss
from sender.extractors.extractors import Extractors
from sender.hci_parts import LEAST_LOSS as LEAST_LOSS_OF_SLICES
from sender.hci_parts import SLICES_BY_LOSS
from sender.packets import make_packets
from shared.codecs.builtin import HCI, RESILIENT
from shared.errors import BudgetError
from shared.picture import encode_png, load_picture
from shared.pixels import grey_to_rgb
from training.data import TRAIN

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from channel.config import ChannelConfig
    from receiver.decoders.base import Decoder
    from shared.bitstream import Bitstream
    from shared.codecs.recipe import Codec

FIRST_PICTURE = 12
CHANNEL_USES = 8192
FIXED_MCS = 8
CODECS = ("resilient", "hci", "hevc")
POCKET = "resilient by pocket"
"""What ``resilient`` gives with the default decoder, at a few points: a decode takes seconds."""
POCKET_POINTS = (
    *(("awgn", "fixed", es_n0_db) for es_n0_db in (-3.0, -2.5, 0.0, 2.0)),
    *(("rayleigh", "best", es_n0_db) for es_n0_db in (-2.0, -1.0, 0.0, 0.5)),
)
SHOWN = {"psnr_db": "PSNR dB", "lpips_alex": "LPIPS-Alex ↓"}
USABLE_LPIPS_ALEX = 0.6
LARGEST_STEPS = {"psnr_db": 3.5, "lpips_alex": 0.12}
RULES = {"best": "best MCS at each SNR", "fixed": f"MCS {FIXED_MCS} at each SNR"}
SNRS_DB = {"awgn": np.arange(-4.5, 4.1, 0.5), "rayleigh": np.arange(-4, 14.1, 0.5)}


@dataclass(frozen=True, slots=True)
class Point:
    """Means over ``transmissions``, that is pictures and seeds. ``shown``: share of which the receiver has a picture.

    ``protection`` is what ``--protect auto`` chose for the last picture, empty for other codecs.
    """

    channel: str
    es_n0_db: float
    codec: str
    rule: str
    mcs: int
    transmissions: int
    channel_uses: float
    shown: float
    psnr_db: float
    lpips_alex: float
    protection: str = ""


@dataclass(frozen=True, slots=True)
class Sent:
    """One transmission: what the receiver shows, None for nothing, and what it cost."""

    made: NDArray[np.uint8] | None
    channel_uses: int
    protection: str = ""


class Run:
    """State that all points share: pictures, codes, files, and what was measured of each picture that was made."""

    def __init__(self, pictures: int, seeds: int) -> None:
        self._seeds = {"awgn": max(2, seeds // 2), "rayleigh": seeds}
        self._originals = load_validation_pictures(TRAIN, pictures, first=FIRST_PICTURE)
        self._measures = Measures(tuple(SHOWN))
        self._chains, self._files, self._extractors = ChainCache(), FileCache(), Extractors()
        self._containers: dict[tuple[int, str, int, int], Bitstream | None] = {}
        self._decoders: dict[str, Decoder] = {"hci": UpsampleDecoder(), "pocket": PocketDecoder()}
        self._decoded: dict[tuple[int, str, Bitstream | None], NDArray[np.uint8] | None] = {}
        self._qualities: dict[tuple[int, bytes], tuple[float, float]] = {}

    def measure_point(self, channel: str, es_n0_db: float, codec: str, rule: str) -> Point:
        """Return the means over pictures and seeds at one SNR."""
        settings = {"snr_db": str(es_n0_db), "mcs": str(FIXED_MCS)}
        if rule == "best":
            settings["mcs"] = str(choose_best_mcs(CHANNEL_USES, load_profile(channel, settings).config()).index)
        rows, protection = [], ""
        for index in range(len(self._originals)):
            for seed in range(self._seeds[channel]):
                sent = self._send(channel, settings, index, seed, codec)
                rows.append((sent.channel_uses, sent.made is not None, *self._measure(index, sent.made)))
                protection = sent.protection
        uses, shown, psnr_db, lpips_alex = np.mean(rows, axis=0).tolist()
        mcs = int(settings["mcs"])
        return Point(channel, es_n0_db, codec, rule, mcs, len(rows), uses, shown, psnr_db, lpips_alex, protection)

    def _send(self, channel: str, settings: dict[str, str], index: int, seed: int, codec: str) -> Sent:
        config = load_profile(channel, settings).config(run_seed=seed)
        if codec == "hevc":
            return self._send_file(config, index)
        recipe = HCI if codec == "hci" else RESILIENT
        bitstream = self._encode(config, index, recipe)
        if bitstream is None:
            return Sent(None, 0)
        overheads, protection = {}, ""
        if recipe.parts:
            changes, protection = protect(bitstream, config)
            profile = load_profile(channel, settings | changes)
            config, overheads = profile.config(run_seed=seed), profile.repair_overheads()
        packets = make_packets(bitstream, order=recipe.streams, repair_overheads=overheads).all
        transmitted = transmit(packets, config, picture_index=index, chains=self._chains)
        received = receive(transmitted.arrivals).bitstream()
        made = self._decode(index, "pocket" if codec == POCKET else "hci", received)
        return Sent(made, transmitted.report.cost.total.channel_uses, protection)

    def _send_file(self, config: ChannelConfig, index: int) -> Sent:
        spec, original = parse_coding_spec(f"hevc+ldpc:mcs={config.mcs}"), self._originals[index]
        sent = send_file(
            original,
            spec,
            config,
            channel_uses=CHANNEL_USES,
            picture_index=index,
            chains=self._chains,
            files=self._files,
        )
        return Sent(sent.pixels if sent.complete else None, sent.channel_uses)

    def _encode(self, config: ChannelConfig, index: int, recipe: Codec) -> Bitstream | None:
        """Return the largest container that fits; those for losses with as many slices are the same."""
        loss = expected_packet_loss(config) if recipe.parts else 0.0
        limits = (LEAST_LOSS_OF_SLICES, *(limit for limit, _ in SLICES_BY_LOSS))
        key = index, recipe.name, config.mcs, sum(loss > limit for limit in limits)
        if key not in self._containers:
            picture = load_picture(encode_png(self._originals[index]))

            def encode(budget: int) -> tuple[Bitstream, Sequence[bytes]]:
                bitstream = encode_picture(picture, recipe, self._extractors, budget, "", ExpectedLoss(loss))
                return bitstream, make_packets(bitstream).all

            try:
                self._containers[key] = fit_container(encode, CHANNEL_USES, config)
            except BudgetError:
                self._containers[key] = None
        return self._containers[key]

    def _decode(self, index: int, name: str, received: Bitstream | None) -> NDArray[np.uint8] | None:
        key = index, name, received
        if key not in self._decoded:
            made = None
            if received is not None and received.streams:
                decoder = self._decoders[name]
                made = decoder.reconstruct(guidance_in(received), options_for(decoder))
            self._decoded[key] = None if made is None else grey_to_rgb(made.pixels)
        return self._decoded[key]

    def _measure(self, index: int, made: NDArray[np.uint8] | None) -> tuple[float, float]:
        original = self._originals[index]
        shown = mean_colour(original) if made is None else made
        key = index, shown.tobytes()
        if key not in self._qualities:
            found = self._measures.compare(shown, self._measures.reference(original))
            self._qualities[key] = float(found["psnr_db"] or 0), float(found["lpips_alex"] or 0)
        return self._qualities[key]


def protect(bitstream: Bitstream, config: ChannelConfig) -> tuple[dict[str, str], str]:
    """Return the changes of the profile that ``--protect auto`` makes, and what it chose, as in ``HCI 6+2``."""
    if expected_packet_loss(config) < LEAST_LOSS:
        return {}, str(Protect.NONE)
    lengths = stream_lengths(make_packets(bitstream).source)
    options, importance = predict_options(lengths, config), load_importance()
    compared = compare_protections(
        options,
        [stream.kind for stream in bitstream.streams if stream.lengths],
        dict.fromkeys(lengths, config.mcs),
        {},
        total_uses(predict_equal_protection(lengths, config)),
        importance,
    )
    chosen = pick_protection(Protect.AUTO, compared, importance)
    if chosen.chosen is Protect.NONE:
        return {}, str(chosen.chosen)
    changes = profile_changes(compared[chosen.chosen], {kind: len(sizes) for kind, sizes in lengths.items()})
    text = ", ".join(f"{one.kind} {one.mcs}+{one.repair_packets}" for one in chosen.streams)
    return changes, f"{chosen.chosen}: {text}"


def measure_points(pictures: int, seeds: int) -> list[Point]:
    import torch  # noqa: PLC0415 - seconds

    run, points = Run(pictures, seeds), []
    with torch.inference_mode():
        for channel, snrs_db in SNRS_DB.items():
            for es_n0_db in snrs_db.tolist():
                for rule in RULES:
                    for codec in CODECS:
                        points.append(run.measure_point(channel, es_n0_db, codec, rule))
                        print(points[-1], flush=True)
        for channel, rule, es_n0_db in POCKET_POINTS:
            points.append(run.measure_point(channel, es_n0_db, POCKET, rule))
            print(points[-1], flush=True)
    return points


def find_limit_db(curve: Sequence[Point]) -> float | None:
    """Return the lowest Es/N0 in dB down to which every point of ``curve`` is usable; None if the first is not."""
    limit = None
    for point in sorted(curve, key=lambda point: -point.es_n0_db):
        if point.lpips_alex >= USABLE_LPIPS_ALEX:
            break
        limit = point.es_n0_db
    return limit


def find_largest_step(curve: Sequence[Point], measure: str) -> tuple[float, float]:
    """Return the largest change of ``measure`` between neighbouring points, and the Es/N0 in dB of the upper one."""
    values = [getattr(point, measure) for point in curve]
    steps = np.abs(np.diff(values))
    largest = int(np.argmax(steps))
    return float(steps[largest]), curve[largest + 1].es_n0_db


def make_report(points: Sequence[Point], *, pictures: int, seeds: int) -> str:
    over = {point.channel: point.transmissions for point in points}
    lines = [
        "# Quality over SNR at equal channel uses",
        "",
        f"`python -m benchmarks.system.quality_over_snr --pictures {pictures} --seeds {seeds}`: {pictures} pictures of",
        f"val.parquet, 224 × 224, at most {CHANNEL_USES} channel uses each (CBR {CHANNEL_USES / (3 * 224 * 224):.4f}),",
        f"{over['awgn']} transmissions a point over AWGN, {over['rayleigh']} over Rayleigh fading that goes on from",
        "packet to packet (3 km/h at 3.5 GHz), every 0.5 dB. `best`: the fastest MCS that is predicted to deliver",
        "nine of ten whole files at this SNR, and a file that fills the channel uses.",
        f"`fixed`: MCS {FIXED_MCS} at every SNR. `resilient` is sent",
        "with `--protect auto`, `hci` and HEVC whole and without repair. The receiver only enlarges what arrives",
        "(decoder `hci`); where there is nothing, the mean colour of the original is measured. How the protection is",
        "chosen: [protection.md](../protection.md).",
        "",
        "![Quality over SNR](quality-over-snr.png)",
        "",
        "## Steps and limits",
        "",
        f"Usable: LPIPS-Alex below {USABLE_LPIPS_ALEX:.2f} at this SNR and all above. Steps: the largest change over",
        "0.5 dB, and the SNR of its upper end.",
        "",
        "| channel | MCS | codec | usable down to, dB | step of PSNR, dB | step of LPIPS-Alex |",
        "| --- | --- | --- | ---: | ---: | ---: |",
    ]
    lines += [
        _describe_curve(points, channel, rule, codec) for channel in SNRS_DB for rule in RULES for codec in CODECS
    ]
    lines += ["", "## With the default decoder", ""]
    lines += ["`resilient` with the same transmissions, decoded by `pocket`; HEVC beside it.", ""]
    lines += [
        "| channel | MCS | Es/N0 dB | pocket: PSNR dB, LPIPS-Alex | hci | HEVC |",
        "| --- | --- | ---: |" + " --- |" * 3,
    ]
    for channel, rule, es_n0_db in POCKET_POINTS:
        at = {one.codec: one for one in points if (one.channel, one.rule, one.es_n0_db) == (channel, rule, es_n0_db)}
        cells = [f"{at[name].psnr_db:.2f}, {at[name].lpips_alex:.3f}" for name in (POCKET, "resilient", "hevc")]
        lines.append(f"| {channel} | {rule} | {es_n0_db:g} | {' | '.join(cells)} |")
    for channel in SNRS_DB:
        lines += ["", f"## {channel}", "", *_make_table(points, channel)]
    return "\n".join(lines) + "\n"


def _describe_curve(points: Sequence[Point], channel: str, rule: str, codec: str) -> str:
    curve = _curve(points, channel, rule, codec)
    limit_db = find_limit_db(curve)
    steps = [
        f"{step:.{digits}f} at {at_db:g}"
        for measure, digits in (("psnr_db", 2), ("lpips_alex", 3))
        for step, at_db in (find_largest_step(curve, measure),)
    ]
    shown = "nowhere" if limit_db is None else f"{limit_db:g}"
    return f"| {channel} | {rule} | {codec} | {shown} | {' | '.join(steps)} |"


def _make_table(points: Sequence[Point], channel: str) -> list[str]:
    """Return the lines of a table: PSNR in dB, LPIPS-Alex and share of pictures shown, and the protection chosen."""
    columns = [(rule, codec) for rule in RULES for codec in CODECS]
    names = " | ".join(f"{codec} {rule}" for rule, codec in columns)
    lines = [f"| Es/N0 dB | {names} | best MCS: protection of the last picture |", "| ---: |" + " --- |" * 7]
    curves = [_curve(points, channel, rule, codec) for rule, codec in columns]
    for row in zip(*curves, strict=True):
        cells = [f"{one.psnr_db:.2f}, {one.lpips_alex:.3f}, {one.shown:.2f}" for one in row]
        lines.append(f"| {row[0].es_n0_db:g} | {' | '.join(cells)} | MCS {row[0].mcs}, {row[0].protection} |")
    return ["Each cell: PSNR in dB, LPIPS-Alex, share of transmissions with a picture.", "", *lines]


def draw(points: Sequence[Point], path: Path) -> None:
    import matplotlib as mpl  # noqa: PLC0415 - a second

    mpl.use("Agg")
    from matplotlib import pyplot as plt  # noqa: PLC0415

    figure, panels = plt.subplots(len(SHOWN), len(SNRS_DB), figsize=(12, 8), sharex="col", layout="constrained")
    for row, (measure, name) in zip(panels, SHOWN.items(), strict=True):
        for axes, channel in zip(row, SNRS_DB, strict=True):
            for colour, codec in enumerate(CODECS):
                for style, (rule, text) in zip(("-", ":"), RULES.items(), strict=True):
                    curve = _curve(points, channel, rule, codec)
                    axes.plot(
                        [point.es_n0_db for point in curve],
                        [getattr(point, measure) for point in curve],
                        style,
                        color=f"C{colour}",
                        marker=".",
                        markersize=4,
                        label=f"{codec}, {text}",
                    )
            for rule, marker in zip(RULES, ("D", "x"), strict=True):
                curve = _curve(points, channel, rule, POCKET)
                axes.plot(
                    [point.es_n0_db for point in curve],
                    [getattr(point, measure) for point in curve],
                    marker,
                    color="C3",
                    label=f"{POCKET}, {RULES[rule]}",
                )
            if measure == "lpips_alex":
                axes.axhline(USABLE_LPIPS_ALEX, color="k", linewidth=0.6)
            axes.grid(alpha=0.3)
            axes.set_ylabel(name)
    for axes, title in zip(panels[0], ("AWGN", "Rayleigh, one coefficient per packet"), strict=True):
        axes.set_title(title)
    for axes in panels[-1]:
        axes.set_xlabel("Es/N0 dB")
    handles, labels = panels[0][0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(CODECS))
    figure.suptitle(f"{CHANNEL_USES} channel uses for 224 × 224 pixels, decoder hci")
    figure.savefig(path, dpi=100)


def _curve(points: Sequence[Point], channel: str, rule: str, codec: str) -> list[Point]:
    return [point for point in points if (point.channel, point.rule, point.codec) == (channel, rule, codec)]


def main() -> None:
    measure_or_draw(
        __doc__,
        "quality-over-snr.json",
        {"pictures": 4, "seeds": 4},
        point=Point,
        measure=measure_points,
        report=make_report,
        draw=draw,
    )


if __name__ == "__main__":
    main()
