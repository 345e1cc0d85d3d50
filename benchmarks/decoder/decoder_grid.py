"""Draws the picture grid of the decoder: original, VVC at equal bytes, ours, trust map.

Eight Kodak pictures at the bytes that VVC took at quantiser 52, and two Mars pictures at 0.0233 bpp, where AVIF stands
in for VVC, of which there are no files. Writes docs/results/decoder-grid.jpg.

    python -m benchmarks.decoder.decoder_grid
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image

from benchmarks.common.arguments import make_parser
from benchmarks.common.paths import KODAK, MARS
from receiver.metrics.pixel import psnr_db
from semlink.baselines.avif import Avif
from semlink.cli.report_text import describe_decoder
from semlink.evaluate.pictures import Original, load_original
from semlink.pipeline.session import LocalSession
from semlink.report.picture_grid import Tile, draw_picture_grid
from semlink.report.trust_map import colour_trust_map
from shared.files import write_file
from shared.picture import encode_png, load_picture
from shared.rpc.semlink.v1 import receiver_pb2, sender_pb2
from shared.rpc.wire import make_message

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

KODAK_NAMES = ("kodim01", "kodim04", "kodim05", "kodim07", "kodim15", "kodim19", "kodim20", "kodim23")
MARS_NAMES = ("mars00", "mars06")
QUANTIZER = "q52"
MARS_BPP = 0.0233
TILE_WIDTH = 512
TITLES = ["original", "VVC (Mars: AVIF)", "Semlink", "trust map; blue: invented, yellow: received"]


def main() -> None:
    parser = make_parser(__doc__, "decoder-grid.jpg")
    parser.add_argument("--kodak", type=Path, default=KODAK, help="folder of the Kodak pictures")
    parser.add_argument("--mars", type=Path, default=MARS, help="folder of the Mars pictures")
    options = parser.parse_args()
    files = [options.kodak / f"{name}.png" for name in KODAK_NAMES] + [
        options.mars / f"{name}.png" for name in MARS_NAMES
    ]
    session = LocalSession()
    rows = [_make_row(session, load_original(file)) for file in files]
    with Image.open(io.BytesIO(draw_picture_grid(TITLES, rows, TILE_WIDTH))) as sheet:
        jpeg = io.BytesIO()
        sheet.convert("RGB").save(jpeg, "JPEG", quality=80, optimize=True, progressive=True)
    write_file(options.out, jpeg.getvalue())
    print(f"Look at {options.out}")


def _make_row(session: LocalSession, original: Original) -> list[Tile]:
    peer, peer_name, max_bytes = _make_peer(original)
    width, height = original.size
    settings = make_message(sender_pb2.SendSettings, codec="hci", max_bytes=max_bytes)
    sent = session.encode(encode_png(original.pixels), settings)
    decode = make_message(receiver_pb2.DecodeSettings, trust_map=True)
    received = session.decode(sent.container, decode)
    ours = load_picture(received.png).pixels
    trust = colour_trust_map(received.trust_png, width, height)
    return [
        Tile(encode_png(original.pixels), (original.file.name, f"{width}x{height}")),
        Tile(encode_png(peer), (f"{peer_name}, {max_bytes} B", _describe_quality(peer, original))),
        Tile(received.png, (f"{len(sent.container)} B, {sent.bpp:.4f} bpp", _describe_quality(ours, original))),
        Tile(trust, (f"mean trust {received.report.trust:.2f}", describe_decoder(received.report))),
    ]


def _make_peer(original: Original) -> tuple[NDArray[np.uint8], str, int]:
    """Return the picture to compare with, its codec, and the bytes that both may take."""
    width, height = original.size
    for vvc in original.vvc:
        if vvc.label == QUANTIZER:
            return vvc.pixels(width, height), "VVC", vvc.bytes
    max_bytes, avif = int(MARS_BPP * width * height / 8), Avif()
    return avif.decode(avif.encode(original.pixels, max_bytes), width, height), "AVIF", max_bytes


def _describe_quality(pixels: NDArray[np.uint8], original: Original) -> str:
    return f"PSNR {psnr_db(pixels, original.pixels):.2f} dB"


if __name__ == "__main__":
    main()
