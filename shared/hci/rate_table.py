"""The coder that measured best for a budget, and the scale for a rate (``docs/results/hci-settings.md``)."""

from __future__ import annotations

# (bits per pixel of the full picture, scale): up to this rate, 1/scale measured best.
BEST_SCALES = {
    "av1": ((0.005, 16), (0.009, 8), (0.015, 6), (0.025, 5), (0.06, 4), (0.1, 3), (0.3, 2)),
    "learned": ((0.005, 8), (0.011, 5), (0.03, 3), (0.3, 2)),
    "compressai": ((0.005, 8), (0.011, 5), (0.03, 3), (0.3, 2)),  # not measured: those of the other learned coder
}
# Below this many bytes the learned coder is better at every picture size, because it sends no block structure.
LEARNED_BELOW_BYTES = 90


def best_scale(coder: str, bpp: float) -> int:
    """Return the scale of ``coder`` that measured best at ``bpp``."""
    return next((scale for max_bpp, scale in BEST_SCALES[coder] if bpp <= max_bpp), 1)


def coders_by_merit(max_bytes: int) -> tuple[str, ...]:
    """Return the coders for a budget, the better one first."""
    return ("learned", "av1") if max_bytes < LEARNED_BELOW_BYTES else ("av1", "learned")
