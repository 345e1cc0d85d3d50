"""Data consistency: moves a picture so that, down-sampled as the sender does it, it gives the received HCI again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from receiver.pocket.lanczos import resize

if TYPE_CHECKING:
    from torch import Tensor

SHARES_BY_SCALE = {1: 1.0, 2: 2 / 3, 3: 1 / 9}
"""How far the default fidelity rises to 1, by the scale of the HCI (``docs/results/fidelity-by-scale.md``)."""
ITERATIONS = 4
"""Each one removes most of the remaining difference; what stays is what the kernel damps near the HCI's resolution."""


def default_fidelity(scale: int, coarse: float) -> float:
    """Return the default fidelity for an HCI (highly compressed image) at 1/``scale`` of the picture's size.

    ``coarse`` is the default for a quarter of the size and less. The restorer reads every HCI at a quarter of the size,
    so the detail of a finer HCI returns only through data consistency.
    """
    return coarse + (1 - coarse) * SHARES_BY_SCALE.get(scale, 0.0)


def project_to_hci(picture: Tensor, hci: Tensor, fidelity: float, received: Tensor | None = None) -> Tensor:
    """Return ``picture`` ``[3, H, W]`` moved towards agreement with ``hci`` ``[3, h, w]``, both 0 to 1.

    Where ``received`` ``[1, h, w]`` is 0, the HCI was filled and nothing is moved; None: all of it was received.

    Full agreement is approached by adding the up-sampled difference a few times (Landweber iteration; up-sampling is
    roughly the inverse of down-sampling) and clipping to 0 to 1. The result lies the share ``fidelity`` of the way
    there; 0 returns the picture unchanged.
    """
    if fidelity == 0:
        return picture
    (height, width), (rows, columns) = picture.shape[-2:], hci.shape[-2:]
    agreeing = picture.clamp(0, 1)
    for _ in range(ITERATIONS):
        difference = hci - resize(agreeing, columns, rows)
        if received is not None:
            difference = difference * received
        agreeing = agreeing.add(resize(difference, width, height)).clamp_(0, 1)
    return picture.lerp(agreeing, fidelity)
