"""Which coder and scale serve a rate best, as measured (``docs/results/hci-settings.md``)."""

from __future__ import annotations

from typing import NamedTuple


class Setting(NamedTuple):
    """Up to ``max_bpp`` bits per pixel of the full picture, ``coder`` at 1/``scale`` measured best."""

    max_bpp: float
    scale: int


EVERY_RATE = float("inf")
# Coders in the order in which they are tried.
CODERS_BY_MERIT = ("av1", "learned")
SCALES = {
    "av1": (
        Setting(0.008, 8),
        Setting(0.014, 6),
        Setting(0.022, 5),
        Setting(0.05, 4),
        Setting(0.1, 3),
        Setting(0.3, 2),
        Setting(EVERY_RATE, 1),
    ),
    "learned": (Setting(0.02, 4), Setting(EVERY_RATE, 2)),
}


def best_scale(coder: str, bpp: float) -> int:
    """Return the scale of ``coder`` that measured best at ``bpp``."""
    return next(setting.scale for setting in SCALES[coder] if bpp <= setting.max_bpp)
