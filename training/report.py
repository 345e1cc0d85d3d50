"""Plots of losses and grids of samples."""

from __future__ import annotations

import contextlib
import json
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from receiver.metrics.names import PERCEPTUAL

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor

PLOTTED = (
    *("loss", "pixel", *PERCEPTUAL, "flow", "critic", "bits", "psnr_db"),
    *("nats_per_word", "bleu4", "cider", "kl"),
)


def read_log(log: Path) -> list[dict[str, Any]]:
    """Return the rows of ``log`` (JSON lines) without one that was cut off, none where there is no log."""
    lines = log.read_text(errors="replace").splitlines() if log.exists() else []
    rows = []
    for line in lines:
        with contextlib.suppress(ValueError):
            row = json.loads(line)
            if isinstance(row, dict) and "step" in row:
                rows.append(row)
    return rows


def draw_loss(log: Path, path: Path) -> None:
    """Plot the training measures of ``log`` (JSON lines), and the validation's over them."""
    from matplotlib.figure import Figure  # noqa: PLC0415 - a second to import

    rows = read_log(log)
    names = [name for name in PLOTTED if any(name in row or name in row.get("validation", {}) for row in rows)]
    figure = Figure(figsize=(3.2 * len(names), 3), layout="constrained")
    for axes, name in zip(figure.subplots(1, len(names), squeeze=False)[0], names, strict=True):
        axes.plot(*_series([(row["step"], row.get(name)) for row in rows]), linewidth=0.8, label="training")
        validation = [(row["step"], row.get("validation", {}).get(name)) for row in rows]
        axes.plot(*_series(validation), "o-", markersize=3, label="validation")
        axes.set_title(name)
        axes.set_xlabel("step")
        axes.grid(alpha=0.3)
    figure.savefig(path, dpi=80)


def _series(points: list[tuple[int, float | None]]) -> tuple[list[int], list[float]]:
    kept = [(step, value) for step, value in points if value is not None]
    return [step for step, _ in kept], [value for _, value in kept]


def draw_grid(columns: list[Tensor]) -> Image.Image:
    """Return the pictures of ``columns``, each ``[B, 3, H, W]`` 0 to 1, side by side, one row per picture."""
    sheets = [column.float().clamp(0, 1).permute(0, 2, 3, 1).cpu().numpy() for column in columns]
    rows = [np.concatenate(row, axis=1) for row in zip(*sheets, strict=True)]
    return Image.fromarray(np.rint(np.concatenate(rows) * 255).astype(np.uint8))
