"""Real bytes and PSNR of the exported coder per quality, beside AV1 stills of the same pictures."""

from __future__ import annotations

import hashlib
import io
import json
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from shared.errors import SetupError
from shared.hci.learned import LearnedHciCoder
from training.data import VALIDATION_FILE, decode_rgb, read_pictures
from training.hci_learned.thumbnails import shrink

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

# 224 pixels become 128, near the short side of a quarter-size Kodak picture.
VALIDATION_REDUCTION = 1.75
QUALITIES = (0, 4, 8, 12, 16, 20, 24, 28, 31)


def psnr_db(first: NDArray[np.uint8], second: NDArray[np.uint8]) -> float:
    """Return the PSNR over all samples."""
    error = float(np.mean((first.astype(np.float64) - second) ** 2))
    return 10 * float(np.log10(255**2 / max(error, 1e-9)))


def measure_avif(small: NDArray[np.uint8], quality: int) -> tuple[int, float]:
    """Return bytes (of the coded picture alone, without AVIF's container) and PSNR of Pillow's AVIF."""
    sink = io.BytesIO()
    Image.fromarray(small).save(sink, "AVIF", quality=quality, speed=2, subsampling="4:2:0")
    data = sink.getvalue()
    return len(data) - data.index(b"mdat") - 4, psnr_db(small, np.asarray(Image.open(sink).convert("RGB")))


def pictures(data: Path, count: int) -> list[NDArray[np.uint8]]:
    """Return validation thumbnails ``[h, w, 3]``; ``data`` holds ``val.parquet`` or PNG files to be quartered.

    Raises:
        SetupError: it holds neither.
    """
    if (data / VALIDATION_FILE).exists():
        source = islice(read_pictures(data / VALIDATION_FILE), count)
        return [np.asarray(shrink(Image.fromarray(decode_rgb(one)), VALIDATION_REDUCTION)) for one in source]
    files = sorted(data.glob("*.png"))[:count]
    if not files:
        raise SetupError(f"no val.parquet and no PNG in {data}: name the folder with --data")
    return [np.asarray(shrink(Image.fromarray(decode_rgb(path)), 4)) for path in files]


def means(points: list[tuple[int, float]], pixels: list[int]) -> str:
    """Return a table's cells: mean bytes, bits per small pixel, mean PSNR."""
    sizes = [size for size, _ in points]
    bpp = 8 * sum(sizes) / sum(pixels)
    return f"{np.mean(sizes):7.1f} {bpp:7.4f} {np.mean([psnr for _, psnr in points]):6.2f}"


def evaluate(weights: Path, data: Path, count: int) -> None:
    """Print a table of the coder's qualities and one of Pillow's AVIF.

    Raises:
        SetupError: weights or pictures are missing.
    """
    coder = LearnedHciCoder(weights / "weights.safetensors")
    smalls = pictures(data, count)
    pixels = [small.shape[0] * small.shape[1] for small in smalls]
    print(f"{len(smalls)} pictures of {data}\ncoder   quality   bytes     bpp   PSNR")
    for quality in QUALITIES:
        points = []
        for small in smalls:
            payload, picture = coder.encode_with_picture(small, quality)
            points.append((len(payload), psnr_db(small, picture)))
        print(f"learned {quality:7d} {means(points, pixels)}", flush=True)
    for quality in (5, 10, 15, 20, 25, 30, 40, 50):
        print(f"avif    {quality:7d} {means([measure_avif(small, quality) for small in smalls], pixels)}", flush=True)


def draw_golden_picture() -> NDArray[np.uint8]:
    """Return a small picture of 45 x 35 pixels made of integers only: ramps, an edge and a texture."""
    rows, columns = np.mgrid[0:35, 0:45]
    planes = (rows * 5 + columns, np.where(columns > 20, 200, 40) + rows, (rows * columns) % 97 + 60)
    return np.stack(planes, axis=-1).astype(np.uint8)


def write_golden(out: Path) -> None:
    """Write payloads of the shipped weights and the hashes of what they decode to."""
    coder, small = LearnedHciCoder(), draw_golden_picture()
    cases = []
    for quality in (0, 15, 31):
        payload, picture = coder.encode_with_picture(small, quality)
        sha256 = hashlib.sha256(picture.tobytes()).hexdigest()
        cases.append({"quality": quality, "payload": payload.hex(), "width": 45, "height": 35, "sha256": sha256})
    out.write_text(json.dumps(cases, indent=1) + "\n")
