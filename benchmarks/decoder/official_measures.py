"""LPIPS and DISTS as published, for VVC and for the codec `hci` with the default decoder, at equal bytes on Kodak.

VVC at quantiser 52 comes as decoded files in the folder ``vvc`` beside the pictures' folder; its figures check the
measures against those measured with the authors' own code. Writes docs/results/official-measures.md, in about half an
hour of one core:

    python -m benchmarks.decoder.official_measures --bytes 1072
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.common.arguments import make_parser
from benchmarks.common.paths import KODAK
from benchmarks.common.report import make_table, write_report
from receiver.decoder_registry import load_decoder
from receiver.decoders.base import options_for
from receiver.guidance import guidance_in
from receiver.metrics.names import MEASURES, PERCEPTUAL
from receiver.metrics.reporter import Measures
from semlink.evaluate.pictures import load_original
from sender.encode import encode_picture
from sender.extractors.extractors import Extractors
from shared.codecs.registry import get_codec
from shared.picture import Picture
from shared.pixels import grey_to_rgb

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from semlink.evaluate.pictures import Original

QUANTIZER = "q52"
SHOWN = ("psnr_db", "ms_ssim", *PERCEPTUAL)


def main() -> None:
    parser = make_parser(__doc__, "official-measures.md")
    parser.add_argument("--pictures", type=Path, default=KODAK, help="folder of PNG pictures, with `vvc` beside it")
    parser.add_argument("--bytes", type=int, default=1072, help="most bytes of a file of codec hci")
    options = parser.parse_args()
    measures, extractors, decoder = Measures(SHOWN), Extractors(), load_decoder("")
    measures.require_all()
    rows: dict[str, list[list[float]]] = {"VVC": [], "hci": []}
    for file in sorted(options.pictures.glob("*.png")):
        original = load_original(file)
        bitstream = encode_picture(Picture(original.pixels), get_codec("hci"), extractors, options.bytes)
        decoded = decoder.reconstruct(guidance_in(bitstream), options_for(decoder))
        if decoded is None:
            raise SystemExit(f"{file} is not decoded")
        vvc_bytes, vvc = load_vvc(original)
        reference = measures.reference(original.pixels)
        shown = {"VVC": (vvc_bytes, vvc), "hci": (len(bitstream.pack()), grey_to_rgb(decoded.pixels))}
        for codec, (size, pixels) in shown.items():
            found = measures.compare(pixels, reference)
            rows[codec].append([size, 8 * size / pixels[..., 0].size, *(float(found[name] or 0) for name in SHOWN)])
            print(file.name, codec, *(f"{value:.4f}" for value in rows[codec][-1]), flush=True)
    write_report(make_page(rows, options.bytes), options.out)


def load_vvc(original: Original) -> tuple[int, NDArray[np.uint8]]:
    """Return the bytes and the pixels ``[H, W, 3]`` of VVC at the quantiser."""
    (vvc,) = (one for one in original.vvc if one.label == QUANTIZER)
    return vvc.bytes, grey_to_rgb(vvc.load_pixels(*original.size))


def make_page(rows: dict[str, list[list[float]]], budget: int) -> str:
    """Return the report as Markdown."""
    names = {"VVC": f"VVC (VTM, quantiser {QUANTIZER[1:]})", "hci": f"`hci`, default decoder, at most {budget} bytes"}
    lines = []
    for codec, found in rows.items():
        size, bpp, *means = np.mean(found, axis=0)
        cells = [f"{value:.{MEASURES[name].decimals}f}" for name, value in zip(SHOWN, means, strict=True)]
        lines.append([names[codec], f"{size:.0f}", f"{bpp:.4f}", *cells])
    header = ["codec", "bytes", "bpp", *(MEASURES[name].heading for name in SHOWN)]
    return (
        "# LPIPS and DISTS as published\n\n"
        f"`python -m benchmarks.decoder.official_measures --bytes {budget}`: means over the {len(rows['hci'])}\n"
        "pictures of Kodak. LPIPS 0.1 on AlexNet and on VGG16 (Zhang et al. 2018) and DISTS (Ding et al. 2020)\n"
        "with their published weights and formulas (`receiver/metrics/perceptual.py`): figures compare with those\n"
        "of papers. Every byte of a file counts.\n\n" + make_table(header, lines)
    )


if __name__ == "__main__":
    main()
