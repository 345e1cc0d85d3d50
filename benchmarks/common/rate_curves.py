"""Rate-quality curves and Bjøntegaard differences between them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import bjontegaard
import numpy as np
import torch
from pytorch_msssim import ms_ssim, ssim

if TYPE_CHECKING:
    from benchmarks.common.pictures import Picture


def ms_ssim_db(a: Picture, b: Picture) -> float:
    """Return MS-SSIM as -10 log10(1 - MS-SSIM), the usual scale for Bjøntegaard differences."""
    return -10 * math.log10(1 - float(ms_ssim(_to_batch(a), _to_batch(b), data_range=255)))


def ssim_db(a: Picture, b: Picture) -> float:
    """Return SSIM as -10 log10(1 - SSIM), for thumbnails too small for the five scales of MS-SSIM."""
    return -10 * math.log10(1 - float(ssim(_to_batch(a), _to_batch(b), data_range=255)))


def _to_batch(picture: Picture) -> torch.Tensor:
    """Return ``[1, 3, H, W]``, 0 to 255."""
    return torch.from_numpy(picture.copy()).permute(2, 0, 1)[None].float()


def bd_rate_percent(anchor: list[tuple[float, float]], test: list[tuple[float, float]]) -> float | None:
    """Return how many more (+) or fewer (-) bytes ``test`` needs than ``anchor`` at equal quality, in percent.

    Curves are (rate, quality) points; piecewise cubic (Akima) interpolation over the common quality range, None
    where the curves share less than a quarter of it.
    """
    curves = [_drop_dominated(curve) for curve in (anchor, test)]
    if min(len(curve) for curve in curves) < 4:
        return None
    low, high = max(curve[0][1] for curve in curves), min(curve[-1][1] for curve in curves)
    if high - low < 0.25 * max(curve[-1][1] - curve[0][1] for curve in curves):
        return None
    columns = [np.array(column) for curve in curves for column in zip(*curve, strict=True)]
    return round(float(bjontegaard.bd_rate(*columns, method="akima", require_matching_points=False, min_overlap=0)), 1)


def _drop_dominated(curve: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """Return the points of ``curve`` by rate, without those that cost more and are no better."""
    rising: list[tuple[float, float]] = []
    for rate, quality in sorted(curve):
        if not rising or (quality > rising[-1][1] and rate > rising[-1][0]):
            rising.append((rate, quality))
    return rising


def format_percent(value: float | None) -> str:
    """Return a Bjøntegaard difference as text."""
    return "no overlap" if value is None else f"{value:+.1f} %"
