"""Every measure of quality: its key in rows and options, and how tables and figures show it. Needs no torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class MeasureInfo:
    """``decimals`` are those of a table; ``unit`` is empty for a plain number."""

    title: str
    decimals: int
    higher_is_better: bool
    unit: str = ""

    @property
    def name(self) -> str:
        """Title with unit."""
        return f"{self.title} {self.unit}".strip()

    @property
    def arrow(self) -> str:
        """Points to where the measure is better."""
        return "↑" if self.higher_is_better else "↓"

    @property
    def heading(self) -> str:
        """Title of a column: name, unit and arrow."""
        return f"{self.name} {self.arrow}"


PIXEL: Final = ("psnr_db", "ms_ssim")
"""Measures on pixels (``receiver.metrics.pixel``)."""
PERCEPTUAL: Final = ("lpips_alex", "lpips_vgg", "dists")
"""Perceptual distances as published (``receiver.metrics.perceptual``)."""
CLASSIFIER: Final = ("top1", "top5", "class_kl")
"""Agreement of a classifier (``receiver.metrics.classifier``)."""
PATCH_FID: Final = "patch_fid"
"""Fréchet distance over patches of many pictures (``receiver.metrics.patch_fid``)."""

MAX_PIXELS: Final = 1 << 22
"""Most pixels of a picture to measure. VGG16's maps take 488 bytes per pixel; LPIPS-VGG and DISTS keep those of the
original, and compare with those of one decoded picture at a time."""

MEASURES: Final = {
    "psnr_db": MeasureInfo("PSNR", 2, higher_is_better=True, unit="dB"),
    "ms_ssim": MeasureInfo("MS-SSIM", 4, higher_is_better=True),
    "lpips_alex": MeasureInfo("LPIPS-Alex", 3, higher_is_better=False),
    "lpips_vgg": MeasureInfo("LPIPS-VGG", 3, higher_is_better=False),
    "dists": MeasureInfo("DISTS", 3, higher_is_better=False),
    "top1": MeasureInfo("top-1", 2, higher_is_better=True),
    "top5": MeasureInfo("top-5", 2, higher_is_better=True),
    "class_kl": MeasureInfo("class KL", 2, higher_is_better=False),
    "detection_f1": MeasureInfo("detection F1", 3, higher_is_better=True),
    "segmentation_miou": MeasureInfo("segmentation mIoU", 3, higher_is_better=True),
    "depth_delta1": MeasureInfo("depth δ1", 3, higher_is_better=True),
    PATCH_FID: MeasureInfo("patch-FID", 0, higher_is_better=False),
}
