"""Rate-task optimisation: chooses the number of latent channels from their bytes and the loss of features.

Chen et al., "Generative Semantic Coding" (GSC, arXiv 2510.27324), section 3.2, equation (2).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from shared.latent.coder import LatentChannels, encode_latent
from shared.latent.layout import CHANNEL_COUNTS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from shared.codecs.recipe import TradeOff


class FeatureDistortion(Protocol):
    """Measures the distance between features of decoded and original picture. The program passes one to the sender."""

    def __call__(self, pixels: NDArray[np.uint8], caption: str) -> Callable[[LatentChannels], float]:
        """Return abs(V(x_hat) - V(x)) as a function of the latent channels that are sent.

        x is ``pixels`` ``[H, W, 3]`` or ``[H, W]``, V a network's features, and x_hat the picture that the decoder
        makes of the channels and ``caption`` ("": no caption).

        Raises:
            SetupError: the decoder or the network of V is not installed, or weights are missing or damaged.
        """
        ...


@dataclass(frozen=True, eq=False)
class LatentCandidate:
    """Latent channels that may be sent, and their payload."""

    channels: LatentChannels
    payload: bytes


def latent_candidates(values: NDArray[np.int16], ranked: tuple[int, ...]) -> Iterator[LatentCandidate]:
    """Yield the first 16, 8, 4, 2 and 1 of the channels ``ranked`` of ``values`` ``[32, h, w]``, where they exist."""
    for count in reversed(CHANNEL_COUNTS):
        if count <= len(ranked):
            ids = tuple(sorted(ranked[:count]))
            yield LatentCandidate(LatentChannels(ids, values[list(ids)]), encode_latent(values, ids))


def least_cost(
    candidates: Sequence[LatentCandidate], distortion: Callable[[LatentChannels], float], weights: TradeOff
) -> LatentCandidate:
    """Return the candidate with the least alpha * abs(V(x_hat) - V(x)) + beta * bytes; of equal costs, fewer channels.

    This is GSC's equation (2). B counts the bytes of the latent alone, because the caption costs the same for every
    candidate. ``distortion`` returns abs(V(x_hat) - V(x)) and is called once per candidate; there must be at least one.
    """

    def cost(candidate: LatentCandidate) -> float:
        return weights.alpha * distortion(candidate.channels) + weights.beta * len(candidate.payload)

    return min(sorted(candidates, key=lambda one: len(one.channels.ids)), key=cost)
