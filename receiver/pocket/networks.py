"""The decoder's networks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from receiver.pocket.fallback import FallbackSynthesis
    from receiver.pocket.prompt import PromptEmbedding
    from receiver.pocket.refiner import Refiner
    from receiver.pocket.rrdbnet import RRDBNet
    from receiver.pocket.synthesis import LatentSynthesis

RESTORER_NOISE = 0.01
"""Standard deviation of the noise on the restorer's input (0 to 1); the restorer turns the noise into texture.

Without it, the only texture that a convolutional network can give an even area is a grid.
"""


@dataclass(frozen=True)
class PocketNetworks:
    """All networks of one decoder."""

    restorer: RRDBNet
    refiner: Refiner
    prompt_embedding: PromptEmbedding
    fallback: FallbackSynthesis
    synthesis: LatentSynthesis
