"""The link against separate coding at equal channel uses: quality over SNR, over AWGN and Rayleigh block fading.

The first ``--pictures`` of val.parquet, 224 x 224, each in ``CHANNEL_USES`` complex symbols: JPEG 2000, AVIF and HEVC
under one MCS, under the best MCS for the SNR and under an ideal code (semlink/pipeline/separate_coding.py), and the
codec ``hci`` in the link's packets under the same MCS, decoded by up-sampling. Every file is sent over the simulated
link.

    python -m benchmarks.system.equal_channel_uses --pictures 2 --seeds 4

writes docs/results/equal-channel-uses.json, .md and .png; ``--draw`` writes the last two from the first.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.common.pictures import load_validation_pictures
from benchmarks.common.points import measure_or_draw
from channel.phy.coding import ChainCache
from channel.profile.registry import load_profile
from receiver.decoders.base import DecodeOptions
from receiver.decoders.upsample import UpsampleDecoder
from receiver.guidance import guidance_in
from receiver.metrics.reporter import Measures
from semlink.pipeline.channel_uses import fit_container
from semlink.pipeline.coding_spec import parse_coding_spec
from semlink.pipeline.pipeline import receive, transmit
from semlink.pipeline.separate_coding import FileCache, choose_best_mcs, mean_colour, send_file
from sender.encode import encode_picture
from sender.extractors.extractors import Extractors
from sender.packets import make_packets
from shared.codecs.registry import get_codec
from shared.errors import BudgetError
from shared.picture import encode_png, load_picture
from training.data import TRAIN

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from channel.config import ChannelConfig
    from shared.bitstream import Bitstream

CHANNEL_USES = 8192
FIXED_MCS = 8
CODECS = ("jpeg2000", "avif", "hevc")
STYLES = {"fixed": ":", "best": "-", "ideal": "--"}
CODES = {"fixed": f"+ldpc:mcs={FIXED_MCS}", "best": "+ldpc:best", "ideal": "+ideal"}
OURS = "hci"
COHERENCE_SYMBOLS = 1024
SNRS_DB = {"awgn": (-3, 0, 3, 6, 9, 12, 15, 18), "rayleigh": (0, 6, 12, 18, 24)}
SHOWN = {"psnr_db": "PSNR dB", "ms_ssim": "MS-SSIM"}


@dataclass(frozen=True, slots=True)
class Point:
    """Means over pictures and seeds; ``complete`` is the share of files that arrive complete."""

    channel: str
    es_n0_db: float
    codec: str
    code: str
    mcs: int | None
    file_bytes: float
    channel_uses: float
    complete: float
    psnr_db: float
    ms_ssim: float


def make_config(channel: str, es_n0_db: float, seed: int) -> ChannelConfig:
    changes = {"snr_db": str(es_n0_db), "mcs": str(FIXED_MCS)}
    if channel == "rayleigh":
        changes |= {"propagation.fading": "independent", "propagation.coherence_symbols": str(COHERENCE_SYMBOLS)}
    return load_profile(channel, changes).config(run_seed=seed)


class Run:
    """State that all points share: networks, codes and files."""

    def __init__(self, seeds: int) -> None:
        self._seeds = {"awgn": 1, "rayleigh": seeds}
        self._measures = Measures(tuple(SHOWN))
        self._chains, self._files, self._extractors = ChainCache(), FileCache(), Extractors()
        self._ours: dict[tuple[bytes, int], Bitstream | None] = {}
        self._measured: dict[tuple[bytes, bytes], tuple[float, float]] = {}

    def measure_point(
        self, originals: Sequence[NDArray[np.uint8]], channel: str, es_n0_db: float, codec: str, code: str
    ) -> Point:
        """Return the means over ``originals`` and seeds at one SNR."""
        rows = []
        mcs_index = None
        for seed in range(self._seeds[channel]):
            config = make_config(channel, es_n0_db, seed)
            for index, original in enumerate(originals):
                send = self._send_by_link if codec == OURS else self._send_separately
                made, complete, size, uses, mcs_index = send(original, config, index, codec, code)
                rows.append((size, uses, float(complete), *self._measure(made, original)))
        means = np.mean(rows, axis=0).tolist()
        return Point(channel, es_n0_db, codec, code, mcs_index, *means)

    def _send_separately(
        self, original: NDArray[np.uint8], config: ChannelConfig, index: int, codec: str, code: str
    ) -> tuple[NDArray[np.uint8], bool, int, int, int | None]:
        sent = send_file(
            original,
            parse_coding_spec(codec + CODES[code]),
            config,
            channel_uses=CHANNEL_USES,
            picture_index=index,
            chains=self._chains,
            files=self._files,
        )
        return sent.pixels, sent.complete, sent.file_bytes, sent.channel_uses, sent.mcs_index

    def _send_by_link(
        self, original: NDArray[np.uint8], config: ChannelConfig, index: int, codec: str, code: str
    ) -> tuple[NDArray[np.uint8], bool, int, int, int | None]:
        if code == "best":
            config = config.model_copy(update={"mcs": choose_best_mcs(CHANNEL_USES, config).index})
        bitstream = self._encode(original, config, codec)
        if bitstream is None:
            return mean_colour(original), False, 0, 0, config.mcs
        sent = transmit(make_packets(bitstream).all, config, picture_index=index, chains=self._chains)
        received = receive(sent.arrivals).bitstream()
        size, uses = len(bitstream.pack()), sent.report.cost.total.channel_uses
        made = None if received is None else UpsampleDecoder().reconstruct(guidance_in(received), DecodeOptions())
        if made is None:
            return mean_colour(original), False, size, uses, config.mcs
        return made.pixels, True, size, uses, config.mcs

    def _encode(self, original: NDArray[np.uint8], config: ChannelConfig, codec: str) -> Bitstream | None:
        key = (original.tobytes(), config.mcs)
        if key not in self._ours:
            picture, recipe = load_picture(encode_png(original)), get_codec(codec)

            def encode(budget: int) -> tuple[Bitstream, Sequence[bytes]]:
                bitstream = encode_picture(picture, recipe, self._extractors, budget)
                return bitstream, make_packets(bitstream).all

            try:
                self._ours[key] = fit_container(encode, CHANNEL_USES, config)
            except BudgetError:
                self._ours[key] = None
        return self._ours[key]

    def _measure(self, made: NDArray[np.uint8], original: NDArray[np.uint8]) -> tuple[float, float]:
        key = (made.tobytes(), original.tobytes())
        if key not in self._measured:
            found = self._measures.compare(made, self._measures.reference(original))
            psnr_db, ms_ssim = (float(found[name] or 0.0) for name in SHOWN)
            self._measured[key] = psnr_db, ms_ssim
        return self._measured[key]


def measure_points(pictures: int, seeds: int) -> list[Point]:
    import torch  # noqa: PLC0415 - seconds

    originals = load_validation_pictures(TRAIN, pictures)
    run, points = Run(seeds), []
    with torch.inference_mode():
        for channel, snrs_db in SNRS_DB.items():
            for es_n0_db in snrs_db:
                for codec in (*CODECS, OURS):
                    for code in CODES:
                        if codec == OURS and code == "ideal":
                            continue
                        points.append(run.measure_point(originals, channel, es_n0_db, codec, code))
                        print(points[-1], flush=True)
    return points


def make_report(points: Sequence[Point], *, pictures: int, seeds: int) -> str:
    lines = [
        "# The link and separate coding at equal channel uses",
        "",
        f"`python -m benchmarks.system.equal_channel_uses --pictures {pictures} --seeds {seeds}`: the first {pictures}",
        f"pictures of val.parquet, 224 x 224, at most {CHANNEL_USES} channel uses each,",
        f"CBR {CHANNEL_USES / (3 * 224 * 224):.4f}. Rayleigh fading with one coefficient per",
        f"{COHERENCE_SYMBOLS} symbols, {seeds} seeds. `fixed`: MCS {FIXED_MCS}; `best`: the fastest MCS",
        "at which nine of ten files arrive complete; `ideal`: a code that achieves capacity, without packets. A lost",
        "file is replaced by the picture's mean colour. `hci` is decoded by up-sampling alone.",
        "The method: [comparison.md](../comparison.md).",
        "",
        "![Quality over SNR](equal-channel-uses.png)",
    ]
    for channel, snrs_db in SNRS_DB.items():
        lines += ["", f"## {channel}"]
        for measure, name in SHOWN.items():
            lines += ["", f"| {name}, at Es/N0 dB | " + " | ".join(f"{db:g}" for db in snrs_db) + " |"]
            lines.append("| --- |" + " ---: |" * len(snrs_db))
            digits = 2 if measure == "psnr_db" else 3
            for codec, code in _curves(points):
                curve = _curve(points, channel, codec, code)
                cells_ = " | ".join(f"{getattr(point, measure):.{digits}f}" for point in curve)
                lines.append(f"| {codec} {code} | {cells_} |")
        lines += ["", "| MCS, bytes of file, share complete | " + " | ".join(f"{db:g}" for db in snrs_db) + " |"]
        lines.append("| --- |" + " ---: |" * len(snrs_db))
        for codec, code in _curves(points):
            curve = _curve(points, channel, codec, code)
            cells_ = " | ".join(f"{p.mcs or '-'}, {p.file_bytes:.0f}, {p.complete:.2f}" for p in curve)
            lines.append(f"| {codec} {code} | {cells_} |")
    return "\n".join(lines) + "\n"


def draw(points: Sequence[Point], path: Path) -> None:
    import matplotlib as mpl  # noqa: PLC0415 - a second

    mpl.use("Agg")
    from matplotlib import pyplot as plt  # noqa: PLC0415

    figure, panels = plt.subplots(len(SHOWN), len(SNRS_DB), figsize=(11, 8), sharex="col", layout="constrained")
    colours = {codec: f"C{number}" for number, codec in enumerate((OURS, *CODECS))}
    for row, (measure, name) in zip(panels, SHOWN.items(), strict=True):
        for axes, channel in zip(row, SNRS_DB, strict=True):
            for codec, code in _curves(points):
                curve = _curve(points, channel, codec, code)
                axes.plot(
                    [point.es_n0_db for point in curve],
                    [getattr(point, measure) for point in curve],
                    STYLES[code],
                    color=colours[codec],
                    marker=".",
                    linewidth=2 if codec == OURS else 1.2,
                )
            axes.grid(alpha=0.3)
            axes.set_ylabel(name)
    for axes, channel in zip(panels[0], SNRS_DB, strict=True):
        axes.set_title("AWGN" if channel == "awgn" else f"Rayleigh, {COHERENCE_SYMBOLS} symbols per coefficient")
    for axes in panels[-1]:
        axes.set_xlabel("Es/N0 dB")
    keys = [plt.Line2D([], [], color=colour, label=codec) for codec, colour in colours.items()]
    texts = {"fixed": f"MCS {FIXED_MCS}", "best": "best MCS", "ideal": "ideal code"}
    keys += [plt.Line2D([], [], color="k", linestyle=STYLES[code], label=text) for code, text in texts.items()]
    figure.legend(handles=keys, loc="outside lower center", ncols=len(keys))
    figure.suptitle(f"{CHANNEL_USES} channel uses for 224 x 224 pixels")
    figure.savefig(path, dpi=100)


def _curves(points: Sequence[Point]) -> list[tuple[str, str]]:
    return list(dict.fromkeys((point.codec, point.code) for point in points))


def _curve(points: Sequence[Point], channel: str, codec: str, code: str) -> list[Point]:
    return [point for point in points if (point.channel, point.codec, point.code) == (channel, codec, code)]


def main() -> None:
    measure_or_draw(
        __doc__,
        "equal-channel-uses.json",
        {"pictures": 2, "seeds": 4},
        point=Point,
        measure=measure_points,
        report=make_report,
        draw=draw,
    )


if __name__ == "__main__":
    main()
