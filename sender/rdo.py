"""How many planes of the latent to send where GSC's equation (2) decides: the rate-task trade-off.

Chen et al., "Generative Semantic Coding" (arXiv 2510.27324), section 3.2.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from shared.latent.coder import LatentPlanes, encode_latent
from shared.latent.layout import CHANNEL_COUNTS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import numpy as np
    from numpy.typing import NDArray

    from shared.codecs.recipe import TradeOff


class Analyst(Protocol):
    """Says what planes lose of a picture's visual analysis; the service is given one by who starts it."""

    def __call__(self, pixels: NDArray[np.uint8], caption: str) -> Callable[[LatentPlanes], float]:
        """Return |V(x_hat) - V(x)| as a function of the planes, x being ``pixels`` ``[H, W, 3]`` or ``[H, W]``.

        x_hat is what a decoder makes of planes and ``caption``; "" is none.

        Raises:
            SetupError: the decoder or the network of V is not installed, or weights are missing or damaged.
        """
        ...


@dataclass(frozen=True, eq=False)
class LatentChoice:
    """Planes that may be sent, and their payload."""

    arrived: LatentPlanes
    payload: bytes


def latent_choices(values: NDArray[np.int16], ranked: tuple[int, ...]) -> Iterator[LatentChoice]:
    """Yield the first 16, 8, 4, 2, 1 of the channels ``ranked`` of ``values`` ``[32, h, w]``, as many as there are."""
    for count in reversed(CHANNEL_COUNTS):
        if count <= len(ranked):
            ids = tuple(sorted(ranked[:count]))
            yield LatentChoice(LatentPlanes(ids, values[list(ids)]), encode_latent(values, ids))


def best_choice(
    choices: list[LatentChoice], lost: Callable[[LatentPlanes], float], trade_off: TradeOff
) -> LatentChoice:
    """Return the choice of the least alpha * |V(x_hat) - V(x)| + beta * bytes; of equal costs, that of fewer planes.

    GSC's equation (2), in which B counts the latent's bytes alone: a caption costs the same whatever is chosen here.
    ``lost`` returns |V(x_hat) - V(x)|; it is called once per choice, of which there must be one at least.
    """

    def cost(choice: LatentChoice) -> float:
        return trade_off.alpha * lost(choice.arrived) + trade_off.beta * len(choice.payload)

    return min(sorted(choices, key=lambda one: len(one.arrived.ids)), key=cost)
