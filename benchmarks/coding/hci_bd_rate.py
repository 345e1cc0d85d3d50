"""Rate-distortion of the HCI coders on test pictures: against JPEG 2000 and against each other.

The full picture after up-sampling, at equal byte budgets from 0.004 to 0.03 bpp; and the small pictures themselves.
JPEG 2000 is OpenJPEG's raw codestream (no container), of the full picture and of the down-sampled one at whichever
scale is best for each budget; "bare" does not even count its headers. Writes
docs/results/hci-bd-rate.json, .md and .png.

    python -m benchmarks.coding.hci_bd_rate --processes 2
"""

from __future__ import annotations

import io
import json
import sys
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import torch
from matplotlib.figure import Figure
from PIL import Image

from benchmarks.common.arguments import make_parser
from benchmarks.common.paths import KODAK
from benchmarks.common.pictures import Picture, load_folder_pictures
from benchmarks.common.rate_curves import bd_rate_percent, format_percent, ms_ssim_db, ssim_db
from benchmarks.common.report import describe_machine, make_table
from receiver.metrics.pixel import psnr_db
from shared.errors import BudgetError, SetupError
from shared.hci.rate_table import coders_by_merit
from shared.hci.stream import decode_hci, downsample, encode_hci, get_coder, upsample

BUDGETS_BPP = (0.004, 0.006, 0.008, 0.01, 0.014, 0.02, 0.03)
J2K_SCALES = (1, 2, 4, 8)
THUMBNAIL_SCALE = 4
THUMBNAIL_POINTS = 8
# Marker segments of a JPEG 2000 codestream end with "start of data".
START_OF_DATA = b"\xff\x93"
Point = tuple[float, float, float]  # bpp, PSNR dB, MS-SSIM dB
Curve = list[Point | None]


def find_coders() -> list[str]:
    names = []
    for name in ("av1", "learned"):
        try:
            get_coder(name)
            names.append(name)
        except SetupError as error:
            print(f"{name} left out: {error}", file=sys.stderr)
    return names


def make_point(picture: Picture, full: Picture, size: int) -> Point:
    return 8 * size / (picture.shape[0] * picture.shape[1]), psnr_db(picture, full), ms_ssim_db(picture, full)


def measure_hci(picture: Picture, coder: str) -> tuple[Curve, list[str]]:
    """The points of ``picture`` at every budget, and which coder and scale each took."""
    height, width = picture.shape[:2]
    points: Curve = []
    choices = []
    for bpp in BUDGETS_BPP:
        try:
            payload = encode_hci(picture, int(bpp * width * height / 8), coder=coder)
        except BudgetError:
            points.append(None)
            choices.append("none")
            continue
        image = decode_hci(payload, width, height)
        points.append(make_point(picture, upsample(image.pixels, width, height), len(payload)))
        choices.append(f"{image.coder} 1/{image.scale}")
    return points, choices


def choose_default_coder(picture: Picture, bpp: float, coders: list[str]) -> str:
    """The coder that ``encode_hci`` takes when none is named."""
    ordered = coders_by_merit(int(bpp * picture.shape[0] * picture.shape[1] / 8))
    return next(coder for coder in ordered if coder in coders)


def encode_j2k(small: Picture, ratio: float) -> bytes:
    out = io.BytesIO()
    Image.fromarray(small).save(
        out, "JPEG2000", no_jp2=True, irreversible=True, quality_mode="rates", quality_layers=[ratio]
    )
    return out.getvalue()


def count_j2k_bytes(codestream: bytes, *, bare: bool) -> int:
    return len(codestream) - (codestream.index(START_OF_DATA) + 2 if bare else 0)


def encode_j2k_within(small: Picture, max_bytes: int, *, bare: bool) -> bytes | None:
    """The largest codestream within the budget, by bisection of the compression ratio; None if none fits."""
    low, high, best = 1.0, 4.0 * small.size / max_bytes, None
    for _ in range(10):
        ratio = (low * high) ** 0.5
        codestream = encode_j2k(small, ratio)
        if count_j2k_bytes(codestream, bare=bare) <= max_bytes:
            high, best = ratio, codestream
        else:
            low = ratio
    return best


def measure_j2k(picture: Picture, scale: int, *, bare: bool) -> Curve:
    height, width = picture.shape[:2]
    small, points = downsample(picture, scale), []
    for bpp in BUDGETS_BPP:
        codestream = encode_j2k_within(small, int(bpp * width * height / 8), bare=bare)
        if codestream is None:
            points.append(None)
            continue
        decoded = np.asarray(Image.open(io.BytesIO(codestream)).convert("RGB"))
        points.append(make_point(picture, upsample(decoded, width, height), count_j2k_bytes(codestream, bare=bare)))
    return points


def measure_thumbnail(picture: Picture, coder: str) -> Curve:
    """(bits per small pixel, PSNR, SSIM dB) of the small picture at rising quality."""
    small, made_by = downsample(picture, THUMBNAIL_SCALE), get_coder(coder)
    top = 80 if coder == "av1" else made_by.qualities[-1]
    points: Curve = []
    for quality in np.linspace(0, top, THUMBNAIL_POINTS).astype(int).tolist():
        payload = made_by.encode(small, quality)
        decoded = made_by.decode(payload, small.shape[1], small.shape[0], grey=False)
        bpp = 8 * len(payload) / (small.shape[0] * small.shape[1])
        points.append((bpp, psnr_db(small, decoded), ssim_db(small, decoded)))
    return points


def measure_picture(picture: Picture) -> dict[str, object]:
    torch.set_num_threads(1)
    curves: dict[str, Curve] = {}
    choices: dict[str, list[str]] = {}
    coders = find_coders()
    for coder in coders:
        curves[coder], choices[coder] = measure_hci(picture, coder)
    for bare in (False, True):
        for scale in J2K_SCALES[int(bare) :]:
            curves[f"JPEG 2000 1/{scale}{' bare' * bare}"] = measure_j2k(picture, scale, bare=bare)
    chosen = [choose_default_coder(picture, bpp, coders) for bpp in BUDGETS_BPP]
    curves["default"] = [curves[coder][index] for index, coder in enumerate(chosen)]
    choices["default"] = [choices[coder][index] for index, coder in enumerate(chosen)]
    thumbnails = {coder: measure_thumbnail(picture, coder) for coder in coders}
    return {"curves": curves, "choices": choices, "thumbnails": thumbnails}


def average_curves(per_picture: list[dict[str, Curve]]) -> dict[str, Curve]:
    """Means over the pictures at each budget; None where the budget was too small for some picture."""
    out: dict[str, Curve] = {}
    for name in per_picture[0]:
        columns = zip(*(curves[name] for curves in per_picture), strict=True)
        out[name] = [None if None in column else tuple(np.mean(column, 0).tolist()) for column in columns]
    for bare in ("", " bare"):
        scaled = [out[f"JPEG 2000 1/{scale}{bare}"] for scale in J2K_SCALES[1:]] if "default" in out else []
        if scaled:
            out[f"JPEG 2000 down-sampled{bare}"] = [
                max((one for one in column if one), key=lambda one: one[1], default=None)
                for column in zip(*scaled, strict=True)
            ]
    return out


def format_bd(curves: dict[str, Curve], anchor: str, test: str, column: int) -> str:
    pair = [[(one[0], one[column]) for one in curves[name] if one] for name in (anchor, test)]
    return format_percent(bd_rate_percent(*pair))


def make_bd_table(curves: dict[str, Curve], coders: list[str]) -> str:
    anchors = ["JPEG 2000 1/1", "JPEG 2000 down-sampled", "JPEG 2000 down-sampled bare", "av1"]
    rows = [
        [test, anchor, format_bd(curves, anchor, test, 1), format_bd(curves, anchor, test, 2)]
        for test in [*coders, "default"]
        for anchor in anchors
        if anchor in curves and anchor != test
    ]
    return make_table(["coder", "against", "PSNR", "MS-SSIM"], rows)


def make_points_table(curves: dict[str, Curve], names: list[str]) -> str:
    rows = [
        [name, *("–" if one is None else f"{one[1]:.2f} / {1 - 10 ** (-one[2] / 10):.3f}" for one in curves[name])]
        for name in names
    ]
    return make_table(["PSNR dB / MS-SSIM at bpp", *map(str, BUDGETS_BPP)], rows)


def make_choice_table(per_picture: list[dict[str, list[str]]]) -> str:
    rows = []
    for name in per_picture[0]:
        columns = zip(*(choices[name] for choices in per_picture), strict=True)
        cells = [", ".join(f"{column.count(x)}× {x}" for x in sorted(set(column))) for column in columns]
        rows.append([name, *cells])
    return make_table(["coder and scale taken at bpp", *map(str, BUDGETS_BPP)], rows)


def draw(curves: dict[str, Curve], names: list[str], file: Path) -> None:
    figure = Figure(figsize=(11, 4.5), layout="constrained")
    for column, label, axis in zip((1, 2), ("PSNR / dB", "MS-SSIM / dB"), figure.subplots(1, 2), strict=True):
        for name in names:
            points = [one for one in curves[name] if one]
            axis.plot([one[0] for one in points], [one[column] for one in points], marker="o", label=name)
        axis.set(xlabel="bpp of the full picture", ylabel=label)
        axis.grid(visible=True, alpha=0.3)
        axis.legend()
    figure.savefig(file, dpi=110)


def make_report(
    found: dict[str, object], curves: dict[str, Curve], thumbnails: dict[str, Curve], shown: list[str]
) -> str:
    coders = [name for name in ("av1", "learned") if name in curves]
    pictures = found["pictures"]
    thumb = "The learned coder's weights were not there."
    if len(coders) == 2:
        header = ["learned against av1, small pictures", "PSNR", "SSIM"]
        rows = [
            [
                f"1/{THUMBNAIL_SCALE}",
                format_bd(thumbnails, "av1", "learned", 1),
                format_bd(thumbnails, "av1", "learned", 2),
            ]
        ]
        thumb = make_table(header, rows)
    return f"""# Rate and distortion of the HCI coders

`{found["command"]}` on {found["machine"]}; {len(pictures)} pictures, means.

Quality of the full picture after up-sampling by Lanczos' filter. Bytes are those of the HCI payload. Every coder gets
the same byte budgets; a dash marks a budget that was too small for some picture.

{make_points_table(curves, shown)}

{make_choice_table([one["choices"] for one in pictures])}

## Bjøntegaard differences in rate

Bytes needed more (+) or fewer (-) at equal quality: Akima interpolation of the mean curves, over the quality range
that both curves reach. "Bare" leaves out all headers of JPEG 2000, which the av1 and learned figures include.

{make_bd_table(curves, coders)}

{thumb}

![Curves](hci-bd-rate.png)
"""


def main() -> None:
    parser = make_parser(__doc__, "hci-bd-rate.json")
    parser.add_argument("--pictures", type=Path, default=KODAK, help="folder of PNG test pictures")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--draw", action="store_true", help="make report and plot from what was measured before")
    options = parser.parse_args()
    results: Path = options.out
    if options.draw:
        found = json.loads(results.read_text())
    else:
        pictures = load_folder_pictures(options.pictures)
        with ProcessPoolExecutor(options.processes) as pool:
            per_picture = list(pool.map(measure_picture, pictures))
        command = " ".join(["python -m benchmarks.coding.hci_bd_rate", *sys.argv[1:]])
        found = {"command": command, "machine": describe_machine(), "pictures": per_picture}
        results.write_text(json.dumps(found) + "\n")
    curves = average_curves([one["curves"] for one in found["pictures"]])
    thumbnails = average_curves([one["thumbnails"] for one in found["pictures"]])
    shown = [
        name for name in ("av1", "learned", "default", "JPEG 2000 1/1", "JPEG 2000 down-sampled") if name in curves
    ]
    shown.append("JPEG 2000 down-sampled bare")
    draw(curves, shown, results.with_suffix(".png"))
    results.with_suffix(".md").write_text(make_report(found, curves, thumbnails, shown))


if __name__ == "__main__":
    main()
