"""Consistency with what was received: the picture, down-sampled as the sender does it, shall give the HCI again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from receiver.pocket.lanczos import resized

if TYPE_CHECKING:
    from torch import Tensor

SHARES_OF_FINER = {1: 1.0, 2: 2 / 3, 3: 1 / 9}
"""Of the way from the default fidelity to 1, by the HCI's scale (``docs/results/fidelity-by-scale.md``)."""
ROUNDS = 4
"""Of correction; what remains after each is what the kernel dampens near the HCI's own resolution."""


def fidelity_at(scale: int, default: float) -> float:
    """Return the fidelity of an HCI at 1/``scale``, ``default`` being that of a quarter of the picture's size and less.

    The restorer sees an HCI at a quarter of the size, whatever its scale: of a finer one only fidelity brings back the
    detail.
    """
    return default + (1 - default) * SHARES_OF_FINER.get(scale, 0.0)


def projected(picture: Tensor, hci: Tensor, fidelity: float) -> Tensor:
    """Return ``picture`` ``[3, H, W]`` moved the share ``fidelity`` of the way to agree with ``hci`` ``[3, h, w]``.

    Both are 0 to 1. Full agreement is sought by adding the up-sampled difference, a few rounds (Landweber's iteration:
    up-sampling is about the inverse of down-sampling), keeping within 0 to 1. At ``fidelity`` 0 the picture is returned
    as it is.
    """
    if fidelity == 0:
        return picture
    (height, width), (rows, columns) = picture.shape[-2:], hci.shape[-2:]
    agreeing = picture.clamp(0, 1)
    for _ in range(ROUNDS):
        difference = hci - resized(agreeing, columns, rows)
        agreeing = agreeing.add(resized(difference, width, height)).clamp_(0, 1)
    return picture.lerp(agreeing, fidelity)
