"""Consistency with what was received: the picture, down-sampled as the sender does it, shall give the HCI again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from receiver.pocket.lanczos import resized

if TYPE_CHECKING:
    from torch import Tensor

ROUNDS = 4
"""Of correction; what remains after each is what the kernel dampens near the HCI's own resolution."""


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
