"""Bytes of the latent stream per number of channels, against zlib, order-0 entropy and the entropy of its own tables.

Nothing is chosen by these numbers; Kodak is only measured. Writes docs/results/latent.md.

    python -m benchmarks.coding.latent_bytes
"""

from __future__ import annotations

import time
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import safetensors.numpy

from benchmarks.common.arguments import make_parser
from benchmarks.common.paths import KODAK
from benchmarks.common.pictures import Picture, load_folder_pictures, load_parquet_pictures
from benchmarks.common.report import describe_machine, make_table, write_report
from sender.extractors.latent import LatentEncoder, select_channels
from shared.latent.coder import encode_latent
from shared.latent.layout import CHANNEL_COUNTS
from training.data import REPOSITORY, TRAIN, VALIDATION_FILE
from training.latent.pictures import load_held_out_pictures
from training.latent.tables import Latents, measure_order0_bits, measure_table_bits

if TYPE_CHECKING:
    from numpy.typing import NDArray

TABLES = REPOSITORY / "models" / "latent" / "tables.safetensors"
HEADER = (
    "channels",
    "bytes, mean",
    "10 % to 90 % of pictures",
    "bytes per channel",
    "bits per sample",
    "tables' own entropy, bytes",
    "zlib -9, bytes",
    "order 0, bytes",
)


@dataclass(frozen=True)
class Sent:
    """The latent of one picture, and which channels the sender ranks first."""

    values: NDArray[np.int16]
    ranked: tuple[int, ...]


def rank_channels(pictures: list[Picture], encoder: LatentEncoder) -> list[Sent]:
    sent = []
    for pixels in pictures:
        values = encoder.values(pixels)
        ranked = select_channels(values, pixels, CHANNEL_COUNTS[-1])
        sent.append(Sent(values, ranked))
    return sent


def make_row(count: int, sent: list[Sent]) -> list[str]:
    arrays = safetensors.numpy.load_file(TABLES)
    sizes, packed, promised, samples = [], [], 0.0, 0
    histogram: list[Latents] = []
    for one in sent:
        ids = sorted(one.ranked[:count])
        payload = encode_latent(one.values, ids)
        kept = np.isin(np.arange(len(one.values)), ids).astype(np.int64)[None]
        part = Latents(one.values[None].astype(np.int64), kept)
        channels = one.values[ids].astype(np.int8)
        samples += channels.size
        promised += measure_table_bits(arrays, part) * channels.size / 8
        sizes.append(len(payload))
        packed.append(len(zlib.compress(channels.tobytes(), 9)))
        histogram.append(part)
    low, high = np.percentile(sizes, (10, 90))
    mean = float(np.mean(sizes))
    return [
        str(count),
        f"{mean:.0f}",
        f"{low:.0f} to {high:.0f}",
        f"{mean / count:.0f}",
        f"{8 * sum(sizes) / samples:.3f}",
        f"{promised / len(sent):.0f}",
        f"{np.mean(packed):.0f}",
        f"{count_order0_bytes(histogram) / len(sent):.0f}",
    ]


def count_order0_bytes(parts: list[Latents]) -> float:
    """Bytes by the best histogram of each channel over all pictures of one orientation, which no coder could know."""
    total = 0.0
    for shape in {part.values.shape[2:] for part in parts}:
        alike = [part for part in parts if part.values.shape[2:] == shape]
        whole = Latents(np.concatenate([part.values for part in alike]), np.concatenate([part.kept for part in alike]))
        total += measure_order0_bits(whole) * int(whole.kept.sum()) * shape[0] * shape[1] / 8
    return total


def main() -> None:
    parser = make_parser(__doc__, "latent.md")
    parser.add_argument("--data", type=Path, default=TRAIN, help="folder of the training files and val.parquet")
    parser.add_argument("--kodak", type=Path, default=KODAK, help="folder of the Kodak pictures")
    options = parser.parse_args()
    encoder = LatentEncoder()
    sets = {
        "val.parquet, 48 pictures of 224×224": load_parquet_pictures(
            [options.data / VALIDATION_FILE], "flickr8k", 0, 48
        ),
        "BSDS500, 32 pictures held out from training, 481×321": load_held_out_pictures(options.data)[:32],
        "Kodak, 24 pictures of 768×512": load_folder_pictures(options.kodak),
    }
    lines = [
        "# Bytes of the latent stream",
        "",
        f"`python -m benchmarks.coding.latent_bytes`, {describe_machine()}.",
        "",
    ]
    started_s = time.monotonic()
    for name, pictures in sets.items():
        sent = rank_channels(pictures, encoder)
        lines += [f"## {name}", "", make_table(HEADER, [make_row(count, sent) for count in CHANNEL_COUNTS]), ""]
        first = np.bincount([one.ranked[0] for one in sent], minlength=32)
        often = ", ".join(f"{channel} ({first[channel]})" for channel in np.argsort(-first)[:4] if first[channel])
        lines += [f"Channel ranked first: {often}.", ""]
        print(name, f"{time.monotonic() - started_s:.0f} s", flush=True)
    lines += [
        "Channels are chosen by the sender's rule, SSIM with the luminance. Bytes are complete payloads, with the",
        "channels' ids. The tables' own entropy leaves out ids and rounding to bytes. zlib packs the same channels,",
        "one byte a sample, without ids. Order 0 is each channel's best histogram over all pictures of a",
        "size, which no coder could know.",
        "",
    ]
    write_report("\n".join(lines), options.out)


if __name__ == "__main__":
    main()
