"""Measures the av1 coder's settings and the best scale per rate on pictures that are no test pictures.

Part ``options``: libaom options, and SVT-AV1 in 8 and 10 bits, at one scale; bytes are those of the frame OBU alone,
so that every encoder pays its own frame header and no container. Part ``scales``: the shipped coders at every scale,
quality of the up-sampled picture at equal bytes. Writes
docs/results/hci-settings.json and .md.

    python -m benchmarks.coding.hci_settings --count 16
"""

from __future__ import annotations

import itertools
import json
import sys
import time
from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import av
import numpy as np

from benchmarks.common.arguments import make_parser
from benchmarks.common.pictures import Picture, load_parquet_pictures
from benchmarks.common.rate_curves import bd_rate_percent, format_percent, ms_ssim_db
from benchmarks.common.report import describe_machine, make_table
from receiver.metrics.pixel import psnr_db
from shared.errors import PictureError, SetupError
from shared.hci import av1, obu, yuv
from shared.hci.av1 import AOM_OPTIONS, Av1Coder
from shared.hci.obu import Chroma
from shared.hci.stream import HCI_SCALES, downsample, get_coder, upsample
from training.data import BSDS500_SOURCE, TRAIN, VALIDATION_FILE, find_training_files

if TYPE_CHECKING:
    from shared.hci.coder import HciCoder

Encode = Callable[[Picture, int], tuple[int, Picture]]

OPTION_SCALE = 4
OPTION_QUANTIZERS = (60, 54, 48, 42, 36)
SVT_CRFS = (62, 56, 50, 44, 38)
LIBAOM_DEFAULTS = {"tune": "iq", "sb-size": "64", "enable-intrabc": "0"}
SHIPPED = {"tune": "iq"} | AOM_OPTIONS
VARIANTS: dict[str, tuple[dict[str, str], str, int]] = {
    "tune=iq, shipped options, 4:2:0, speed 0": (SHIPPED, "4:2:0", 0),
    "speed 1": (SHIPPED, "4:2:0", 1),
    "speed 2": (SHIPPED, "4:2:0", 2),
    "speed 4": (SHIPPED, "4:2:0", 4),
    "speed 6": (SHIPPED, "4:2:0", 6),
    "4:4:4": (SHIPPED, "4:4:4", 0),
    "CDEF by libaom": (SHIPPED | {"enable-cdef": "1"}, "4:2:0", 0),
    "CDEF and restoration by libaom": (SHIPPED | {"enable-cdef": "1", "enable-restoration": "1"}, "4:2:0", 0),
    "quantiser matrices": (SHIPPED | {"enable-qm": "1"}, "4:2:0", 0),
    "no block-wise quantiser": (SHIPPED | {"deltaq-mode": "0"}, "4:2:0", 0),
    "chroma quantised as luma": (SHIPPED | {"enable-chroma-deltaq": "0"}, "4:2:0", 0),
    "tune=psnr": (SHIPPED | {"tune": "psnr"}, "4:2:0", 0),
    "tune=ssim": (SHIPPED | {"tune": "ssim"}, "4:2:0", 0),
    "libaom's defaults (tune=iq)": (LIBAOM_DEFAULTS, "4:2:0", 0),
}
BUDGETS_BPP = (0.004, 0.006, 0.008, 0.01, 0.014, 0.02, 0.03)
LADDER_STEPS = 11  # an odd step through av1's qualities takes 4:2:0 and 4:4:4 in turn
Point = tuple[float, float, float]  # bpp, PSNR dB, MS-SSIM dB


def count_frame_bytes(temporal_unit: bytes) -> int:
    return sum(len(payload) for kind, payload in obu.obus(temporal_unit) if kind == obu.OBU_FRAME)


def encode_aom(small: Picture, quantizer: int, variant: tuple[dict[str, str], str, int]) -> tuple[int, Picture]:
    """Encode by libaom; returns bytes of the frame OBU and the decoded picture."""
    options, subsampling, speed = variant
    unit = av1.aom_obus(small, quantizer, subsampling, speed, options)
    chroma = Chroma.YUV444 if subsampling == "4:4:4" else Chroma.YUV420
    planes = av1.decode_planes(unit, small.shape[1], small.shape[0], chroma)
    return count_frame_bytes(unit), yuv.rgb_from_yuv(*planes)


def encode_svt(small: Picture, crf: int, bits: int) -> tuple[int, Picture]:
    """Encode by SVT-AV1 (preset 0, tune IQ, 4:2:0) in ``bits``; returns bytes of the frame OBU and the picture."""
    height, width = small.shape[:2]
    planes = av1.source_planes(small, Chroma.YUV420)
    encoder = av.CodecContext.create("libsvtav1", "w")
    encoder.width, encoder.height, encoder.time_base = width, height, Fraction(1)
    encoder.pix_fmt = "yuv420p" if bits == 8 else "yuv420p10le"
    encoder.options = {"preset": "0", "crf": str(crf), "svtav1-params": "avif=1:tune=3:lp=1"}
    frame = av.VideoFrame(width, height, encoder.pix_fmt)
    for plane, values in zip(frame.planes, planes, strict=True):
        rows = np.zeros((plane.height, plane.line_size), np.uint8)
        samples = values if bits == 8 else (values.astype("<u2") << 2).view(np.uint8)
        rows[:, : samples.shape[1]] = samples
        plane.update(rows.tobytes())
    frame.color_range = 2
    unit = b"".join(bytes(packet) for packet in [*encoder.encode(frame), *encoder.encode(None)])
    decoder = av.CodecContext.create("libdav1d", "r")
    decoded = [*decoder.decode(av.Packet(unit)), *decoder.decode(None)][0]
    if bits == 8:
        out = [np.frombuffer(p, np.uint8).reshape(p.height, -1)[:, : p.width] for p in decoded.planes]
        return count_frame_bytes(unit), yuv.rgb_from_yuv(*out)
    out = [np.frombuffer(p, "<u2").reshape(p.height, -1)[:, : p.width] for p in decoded.planes]
    return count_frame_bytes(unit), rgb_from_10_bits(*out)


def rgb_from_10_bits(luma: Picture, cb: Picture, cr: Picture) -> Picture:
    """BT.601 full range from 10-bit planes, in floating point: a measurement only."""
    height, width = luma.shape
    u, v = (yuv.full_size_times_16(plane, height, width) / 64 - 128 for plane in (cb, cr))
    y = luma / 4
    rgb = np.stack([y + 1.402 * v, y - 0.344136 * u - 0.714136 * v, y + 1.772 * u], -1)
    return np.clip(np.round(rgb), 0, 255).astype(np.uint8)


def measure_curve(pictures: list[Picture], encode: Encode, points: Sequence[int]) -> dict[str, object]:
    """Mean bpp, PSNR and MS-SSIM of the up-sampled pictures at each point, and seconds for one encoding."""
    rows, spent = [], 0.0
    for point in points:
        figures = []
        for picture in pictures:
            height, width = picture.shape[:2]
            small = downsample(picture, OPTION_SCALE)
            started = time.perf_counter()
            size, decoded = encode(small, point)
            spent += time.perf_counter() - started
            full = upsample(decoded, width, height)
            figures.append((8 * size / (width * height), psnr_db(picture, full), ms_ssim_db(picture, full)))
        rows.append([float(value) for value in np.mean(figures, 0)])
    return {"points": rows, "seconds": spent / (len(points) * len(pictures))}


def encode_shipped(small: Picture, quantizer: int) -> tuple[int, Picture]:
    payload = Av1Coder(chroma=Chroma.YUV420, speed=0).encode(small, 2 * (63 - quantizer))
    return len(payload), Av1Coder().decode(payload, small.shape[1], small.shape[0], grey=False)


def measure_options(sets: dict[str, list[Picture]]) -> dict[str, dict[str, object]]:
    out: dict[str, dict[str, object]] = {}
    for set_name, pictures in sets.items():
        jobs = {
            name: (lambda s, q, v=variant: encode_aom(s, q, v), OPTION_QUANTIZERS) for name, variant in VARIANTS.items()
        }
        jobs["the same, filters chosen by av1.py, headers stripped"] = (
            encode_shipped,
            OPTION_QUANTIZERS,
        )
        for bits in (8, 10):
            jobs[f"SVT-AV1 preset 0, {bits} bits"] = (lambda s, q, b=bits: encode_svt(s, q, b), SVT_CRFS)
        for name, (encode, points) in jobs.items():
            out.setdefault(name, {})[set_name] = measure_curve(pictures, encode, points)
            print(set_name, name, out[name][set_name], file=sys.stderr, flush=True)
    return out


def measure_ladder(picture: Picture, made_by: HciCoder, scale: int) -> list[Point]:
    """The points of ``picture`` at rising quality, until one costs more than the largest budget."""
    height, width = picture.shape[:2]
    small, points = downsample(picture, scale), []
    for quality in range(0, made_by.qualities[-1] + 1, len(made_by.qualities) // LADDER_STEPS):
        payload = made_by.encode(small, quality)
        full = upsample(made_by.decode(payload, small.shape[1], small.shape[0], grey=False), width, height)
        bpp = 8 * (len(payload) + 1) / (width * height)
        points.append((bpp, psnr_db(picture, full), ms_ssim_db(picture, full)))
        if bpp > BUDGETS_BPP[-1]:
            break
    return points


def interpolate(points: list[Point]) -> list[list[float]]:
    """PSNR and MS-SSIM at each budget, interpolated over log bpp; NaN where the lowest quality costs more."""
    bpp, psnr, msssim = (np.array(column) for column in zip(*points, strict=True))
    logs = np.log(np.array(BUDGETS_BPP))
    return [np.interp(logs, np.log(bpp), column, left=np.nan).tolist() for column in (psnr, msssim)]


def measure_scales(sets: dict[str, list[Picture]]) -> dict[str, dict[str, object]]:
    coders: dict[str, HciCoder] = {f"av1 {tune}": Av1Coder(tune) for tune in av1.TUNES}
    try:
        coders["learned"] = get_coder("learned")
    except SetupError as error:
        print(f"learned left out: {error}", file=sys.stderr)
    out: dict[str, dict[str, object]] = {}
    for set_name, pictures in sets.items():
        for (coder, made_by), scale in itertools.product(coders.items(), HCI_SCALES[1:]):
            name = f"{coder} 1/{scale}"
            try:
                figures = [interpolate(measure_ladder(picture, made_by, scale)) for picture in pictures]
            except PictureError:
                continue
            out.setdefault(name, {})[set_name] = np.mean(figures, 0).tolist()
            print(set_name, name, out[name][set_name], file=sys.stderr, flush=True)
    return out


def make_options_report(options: dict[str, dict[str, object]], names: list[str]) -> str:
    anchor = options[next(iter(VARIANTS))]
    rows = []
    for variant, measured in options.items():
        cells: list[object] = [variant]
        for name in names:
            for column in (1, 2):
                curves = [[(p[0], p[column]) for p in one[name]["points"]] for one in (anchor, measured)]
                cells.append(format_percent(bd_rate_percent(*curves)))
            cells.append(f"{measured[name]['seconds']:.2f}")
        rows.append(cells)
    header = ["variant", *(f"{name} {what}" for name in names for what in ("PSNR", "MS-SSIM", "s"))]
    return make_table(header, rows)


def make_scales_report(scales: dict[str, dict[str, object]], names: list[str]) -> str:
    parts = []
    for name in names:
        rows = []
        for setting, measured in scales.items():
            if name in measured:
                pairs = zip(*measured[name], strict=True)
                cells = ["–" if np.isnan(p) else f"{p:.2f} / {m:.2f}" for p, m in pairs]
                rows.append([setting, *cells])
        parts.append(f"{name}\n\n" + make_table(["PSNR / MS-SSIM dB at bpp", *map(str, BUDGETS_BPP)], rows))
    return "\n\n".join(parts)


def crop_to_eights(picture: Picture) -> Picture:
    """SVT-AV1 takes even sides only: crop, so that the small picture has them."""
    return picture[: picture.shape[0] // 8 * 8, : picture.shape[1] // 8 * 8]


def main() -> None:
    parser = make_parser(__doc__, "hci-settings.json")
    parser.add_argument("--data", type=Path, default=TRAIN, help="folder of the training files and val.parquet")
    parser.add_argument("--count", type=int, default=16, help="pictures of each set")
    parser.add_argument("--parts", nargs="+", default=["options", "scales"], choices=["options", "scales"])
    options = parser.parse_args()
    sets = {
        "224 px": load_parquet_pictures([options.data / VALIDATION_FILE], "", 0, options.count),
        "481 px": load_parquet_pictures(find_training_files(options.data)[:2], BSDS500_SOURCE, 480, options.count),
    }
    even = {name: [crop_to_eights(picture) for picture in pictures] for name, pictures in sets.items()}
    results: Path = options.out
    found = json.loads(results.read_text()) if results.exists() else {}
    found |= {
        "command": " ".join(["python -m benchmarks.coding.hci_settings", *sys.argv[1:]]),
        "machine": describe_machine(),
    }
    if "options" in options.parts:
        found["options"] = measure_options(even)
    if "scales" in options.parts:
        found["scales"] = measure_scales(sets)
    results.write_text(json.dumps(found, indent=1) + "\n")
    results.with_suffix(".md").write_text(make_report(found, {name: len(pictures) for name, pictures in sets.items()}))


def make_report(found: dict[str, object], counts: dict[str, int]) -> str:
    sizes = ", ".join(f"{count} pictures of {name}" for name, count in counts.items())
    return f"""# Settings of the HCI coders

`{found["command"]}` on {found["machine"]}; {sizes} (Flickr8k validation, BSDS500), none of them a test picture.
Every figure is of the full picture, up-sampled by Lanczos' filter.

## Options of the encoder

Bytes that a variant needs more (+) or fewer (-) than the first row at equal quality (Bjøntegaard), frame OBU only, at
1/{OPTION_SCALE} of the picture; seconds are for one encoding. Every variant changes the first row in the named thing
only.

{make_options_report(found["options"], list(counts)) if "options" in found else ""}

## Coder and scale per rate

{make_scales_report(found["scales"], list(counts)) if "scales" in found else ""}
"""


if __name__ == "__main__":
    main()
