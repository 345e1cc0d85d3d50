"""Which coder serves a budget best, and which scale a rate, as measured (``docs/results/hci-settings.md``)."""

from __future__ import annotations

# Up to this many bits per pixel of the full picture, 1/scale measured best. Ever finer pictures, so scales fall.
BEST_SCALES = {
    "av1": ((0.005, 16), (0.009, 8), (0.015, 6), (0.025, 5), (0.06, 4), (0.1, 3), (0.3, 2)),
    "learned": ((0.005, 8), (0.011, 5), (0.03, 3), (0.3, 2)),
}
# Below this many bytes the learned coder is better, whatever the picture's size: it has no block structure to announce.
LEARNED_BELOW_BYTES = 90


def best_scale(coder: str, bpp: float) -> int:
    """Return the scale of ``coder`` that measured best at ``bpp``."""
    return next((scale for max_bpp, scale in BEST_SCALES[coder] if bpp <= max_bpp), 1)


def coders_by_merit(budget_bytes: int) -> tuple[str, ...]:
    """Return the coders for a budget, the better one first."""
    return ("learned", "av1") if budget_bytes < LEARNED_BELOW_BYTES else ("av1", "learned")
