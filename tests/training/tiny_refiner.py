"""A small refiner with the weights of a new one, or with random ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from tests.random_weights import fill_zeros

if TYPE_CHECKING:
    from receiver.pocket.refiner import Refiner


def make_refiner(*, random: bool = False) -> Refiner:
    """Return a refiner; a new one changes nothing, one with ``random`` weights shows what reaches its output."""
    from receiver.pocket.refiner import Refiner  # imports torch's networks at use

    torch.manual_seed(0)
    refiner = Refiner((32, 32, 32))
    if random:
        fill_zeros(refiner)
    return refiner
