"""The pocket decoder's networks in miniature, untrained but for a refiner that changes a picture a little."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from tests.random_weights import fill_zeros

if TYPE_CHECKING:
    from receiver.pocket.networks import PocketNetworks


def make_tiny_networks(seed: int = 0, *, random: bool = False) -> PocketNetworks:
    """Return real networks, small. With ``random`` weights every part changes the result, which is like a picture."""
    from receiver.pocket.fallback import FallbackSynthesis
    from receiver.pocket.networks import PocketNetworks
    from receiver.pocket.prompt import PromptEmbedding
    from receiver.pocket.refiner import Refiner
    from receiver.pocket.rrdbnet import RRDBNet
    from receiver.pocket.synthesis import LatentSynthesis

    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(seed)
        restorer, refiner = RRDBNet(width=16, growth=8, depth=1), Refiner((32, 32, 32))
        if random:
            # Signals fade in random layers; this brings outputs to the range and the contrast of pictures.
            output = restorer(torch.rand(1, 3, 32, 32))
            gain = 0.2 / output.std((0, 2, 3))
            restorer.last.weight.mul_(gain[:, None, None, None])
            restorer.last.bias.sub_(output.mean((0, 2, 3))).mul_(gain).add_(0.5)
            fill_zeros(refiner)
        else:
            refiner.tail.bias.normal_(0, 0.02)
        return PocketNetworks(restorer, refiner, PromptEmbedding(), FallbackSynthesis(), LatentSynthesis())
