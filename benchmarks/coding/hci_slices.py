"""Measures what slices and a base cost without loss, and what they give when packets are lost.

BSDS500 pictures of train-4-of-8.parquet that no decoder was trained on, up-sampled to 768×512, in at most ``--bytes``
bytes. Packets of 256 bytes are lost independently; the decoder is ``hci``, which enlarges what was received and adds
nothing. A picture of which nothing decodes counts as its own mean colour, as in a sweep. Writes
docs/results/hci-slices.md.

    python -m benchmarks.coding.hci_slices --count 4
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from benchmarks.common.arguments import make_parser
from benchmarks.common.erasures import draw_arrivals, receive
from benchmarks.common.pictures import load_bsds500_pictures
from benchmarks.common.report import describe_machine, make_table, write_report
from receiver.decoders.base import DecodeOptions
from receiver.decoders.upsample import UpsampleDecoder
from receiver.metrics.pixel import quality
from receiver.rebuild import rebuild
from sender.encode import encode_picture
from sender.expected_loss import NO_LOSS, ExpectedLoss
from sender.extractors.extractors import Extractors
from sender.packets import make_packets
from shared.codecs.recipe import Codec
from shared.picture import Picture
from shared.streams import StreamKind
from training.data import TRAIN

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from shared.bitstream import Bitstream

SIZE = 768, 512
LOSSES = (0.0, 0.25)
HCI = Codec(name="hci", summary="the whole HCI", streams=(StreamKind.HCI,))
PARTS = Codec(name="parts", summary="base and slices", streams=(StreamKind.BASE, StreamKind.HCI), parts=True)
CASES: dict[str, tuple[Codec, ExpectedLoss]] = {
    "whole HCI": (HCI, NO_LOSS),
    "base and slices for 5 % loss": (PARTS, ExpectedLoss(0.05)),
    "base and slices for 25 % loss": (PARTS, ExpectedLoss(0.25)),
    "the same, by `av1`": (PARTS.model_copy(update={"hci_coder": "av1"}), ExpectedLoss(0.25)),
}


def main() -> None:
    parser = make_parser(__doc__, "hci-slices.md")
    parser.add_argument("--count", type=int, default=4, help="pictures")
    parser.add_argument("--bytes", type=int, default=1000, help="maximum bytes of the container")
    parser.add_argument("--draws", type=int, default=12, help="draws of lost packets per picture and loss")
    parser.add_argument("--data", type=Path, default=TRAIN, help="folder of the training files")
    options = parser.parse_args()
    extractors, rows = Extractors(), []
    pictures = [_enlarge(pixels) for pixels in load_bsds500_pictures(options.data, options.count)]
    for name, (codec, loss) in CASES.items():
        streams = [encode_picture(Picture(pixels), codec, extractors, options.bytes, loss=loss) for pixels in pictures]
        packets = [make_packets(one, order=codec.streams).source for one in streams]
        found = {
            share: np.mean(
                [
                    psnr_db(sent, pixels, share, draw, index)
                    for index, (sent, pixels) in enumerate(zip(packets, pictures, strict=True))
                    for draw in range(options.draws if share else 1)
                ]
            )
            for share in LOSSES
        }
        rows.append(
            [
                name,
                f"{np.mean([len(one.pack()) for one in streams]):.0f}",
                f"{np.mean([sum(map(len, sent)) for sent in packets]):.0f}",
                f"{np.mean([len(sent) for sent in packets]):.1f}",
                f"{np.mean([_count_slices(one) for one in streams]):.1f}",
                *(f"{found[share]:.2f}" for share in LOSSES),
            ]
        )
        print(rows[-1], flush=True)
    write_report(make_page(rows, options.count, options.bytes, options.draws), options.out)


def _enlarge(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    height, width = pixels.shape[:2]
    size = SIZE if width >= height else SIZE[::-1]
    return np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.BICUBIC))


def _count_slices(bitstream: Bitstream) -> int:
    stream = bitstream.stream(StreamKind.HCI)
    return len(stream.units) if stream else 0


def psnr_db(packets: tuple[bytes, ...], pixels: NDArray[np.uint8], loss: float, draw: int, index: int) -> float:
    """Return the PSNR of what is left of ``packets`` when each is lost with probability ``loss``."""
    bitstream = receive(packets, draw_arrivals(draw, index, len(packets), loss))
    rebuilt = rebuild(bitstream, UpsampleDecoder(), DecodeOptions()) if bitstream else None
    if rebuilt is None or rebuilt.pixels is None:
        mean = pixels.mean((0, 1), keepdims=True).round().astype(np.uint8)
        return quality(np.broadcast_to(mean, pixels.shape), pixels).psnr_db
    return quality(rebuilt.pixels, pixels).psnr_db


def make_page(rows: list[list[str]], count: int, max_bytes: int, draws: int) -> str:
    """Return the table of ``rows`` with what it is."""
    return (
        "# Slices and base of the HCI\n\n"
        f"`python -m benchmarks.coding.hci_slices --count {count} --bytes {max_bytes} --draws {draws}` on "
        f"{describe_machine()}:\n{count} BSDS500 pictures up-sampled to 768×512, packets of 256 bytes that are lost "
        f"independently, {draws} draws\nper picture, decoder `hci`, no caption. PSNR in dB is that of the picture; if "
        "nothing decodes, that of its mean colour.\n\n"
        + make_table(
            [
                *("", "container bytes", "bytes on the wire", "packets", "slices"),
                *(f"PSNR at {share:.0%} loss" for share in LOSSES),
            ],
            rows,
        )
    )


if __name__ == "__main__":
    main()
