"""What the HCI measurements share: pictures, quality figures, Bjøntegaard differences, tables."""

from __future__ import annotations

import argparse
import io
import math
import os
import platform
from pathlib import Path

import bjontegaard
import numpy as np
import pyarrow.parquet as pq
import torch
from numpy.typing import NDArray
from PIL import Image
from pytorch_msssim import ms_ssim, ssim

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
RESULTS = Path(__file__).resolve().parents[2] / "docs" / "results"
Picture = NDArray[np.uint8]


def machine() -> str:
    return f"{os.cpu_count()} {platform.machine()} cores"


def parquet_pictures(files: list[Path], source: str, min_side: int, count: int) -> list[Picture]:
    """Return ``count`` pictures whose source starts with ``source`` and whose longer side is at least ``min_side``."""
    columns = ["image", "width", "height", "source"]
    tables = [pq.read_table(file, columns=columns).to_pydict() for file in files]
    rows = [row for table in tables for row in zip(*(table[name] for name in columns), strict=True)]
    fitting = [data for data, width, height, name in rows if name.startswith(source) and max(width, height) >= min_side]
    step = max(1, len(fitting) // count)
    return [np.asarray(Image.open(io.BytesIO(data)).convert("RGB")) for data in fitting[::step][:count]]


def folder_pictures(folder: Path) -> list[Picture]:
    files = sorted(folder.glob("*.png"))
    if not files:
        raise SystemExit(f"no PNG pictures in {folder}; name a folder with --pictures")
    return [np.asarray(Image.open(file).convert("RGB")) for file in files]


def psnr_db(a: Picture, b: Picture) -> float:
    return 10 * math.log10(255**2 / float(np.mean((a.astype(np.float64) - b) ** 2)))


def ms_ssim_db(a: Picture, b: Picture) -> float:
    """MS-SSIM as -10 log10(1 - MS-SSIM), the usual scale for Bjøntegaard differences."""
    return -10 * math.log10(1 - float(ms_ssim(_tensor(a), _tensor(b), data_range=255)))


def ssim_db(a: Picture, b: Picture) -> float:
    """SSIM as -10 log10(1 - SSIM), for thumbnails too small for MS-SSIM's five scales."""
    return -10 * math.log10(1 - float(ssim(_tensor(a), _tensor(b), data_range=255)))


def _tensor(picture: Picture) -> torch.Tensor:
    return torch.from_numpy(picture.copy()).permute(2, 0, 1)[None].float()


def bd_rate_percent(anchor: list[tuple[float, float]], test: list[tuple[float, float]]) -> float | None:
    """Bytes that ``test`` needs more (+) or fewer (-) than ``anchor`` at equal quality, in percent.

    Curves are (rate, quality) points; piecewise cubic (Akima) interpolation over the common quality range, None
    where the curves share less than a quarter of it.
    """
    curves = [monotone(curve) for curve in (anchor, test)]
    if min(len(curve) for curve in curves) < 4:
        return None
    low, high = max(curve[0][1] for curve in curves), min(curve[-1][1] for curve in curves)
    if high - low < 0.25 * max(curve[-1][1] - curve[0][1] for curve in curves):
        return None
    columns = [np.array(column) for curve in curves for column in zip(*curve, strict=True)]
    return round(float(bjontegaard.bd_rate(*columns, method="akima", require_matching_points=False, min_overlap=0)), 1)


def monotone(curve: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """Return the points of ``curve`` by rate, without those that cost more and are no better."""
    kept: list[tuple[float, float]] = []
    for rate, quality in sorted(curve):
        if not kept or (quality > kept[-1][1] and rate > kept[-1][0]):
            kept.append((rate, quality))
    return kept


def table(header: list[str], rows: list[list[object]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)


def percent(value: float | None) -> str:
    return "no overlap" if value is None else f"{value:+.1f} %"


def parser(description: str) -> argparse.ArgumentParser:
    out = argparse.ArgumentParser(description=description)
    out.add_argument("--out", type=Path, default=RESULTS, help="folder of the results")
    return out
