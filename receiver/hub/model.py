"""The interface between the pipeline and a family of pretrained models."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from torch import Tensor

    from receiver.hub.conditions import Conditions


LATENT_SCALE: Final = 8
"""Picture pixels per latent position, in each direction."""


@dataclass(frozen=True)
class Prompt:
    """Texts as the network takes them: ``words`` ``[B, T, C]`` for cross-attention, and ``pooled`` ``[B, C']``."""

    words: Tensor
    pooled: Tensor | None = None


class LatentModel(Protocol):
    """A base with its autoencoder, text encoders, and control branch."""

    @property
    def denoiser(self) -> Any:
        """The network that runs in every step, of diffusers."""
        ...

    @property
    def autoencoder(self) -> Any:
        """The autoencoder, of diffusers."""
        ...

    @property
    def adapter(self) -> Any:
        """The token adapter; None without one."""
        ...

    @property
    def networks(self) -> list[Any]:
        """All networks, in the order in which they run."""
        ...

    @property
    def multiple(self) -> int:
        """What the sides of the latent, an eighth of the picture's, are multiples of."""
        ...

    @property
    def scheduler(self) -> Mapping[str, Any]:
        """Settings of the base's scheduler."""
        ...

    @property
    def guided(self) -> bool:
        """Whether the network takes the guidance scale itself: then there is no classifier-free guidance."""
        ...

    def embed(self, texts: Sequence[str], batch: Sequence[Conditions]) -> Prompt:
        """Return the prompt of ``texts``, one for each picture of ``batch``, with the pictures' semantic tokens."""
        ...

    def make_control(self, picture: Tensor, latent: Tensor, batch: Sequence[Conditions]) -> Tensor | None:
        """Return the control branch's input as maps of the latent's size ``[B, C, h, w]``; None without one.

        ``picture`` ``[B, 3, 8h, 8w]``, 0 to 1, is the start picture and ``latent`` ``[B, C, h, w]`` its latent.
        """
        ...

    def predict(self, latent: Tensor, time: float, prompt: Prompt, control: Tensor | None) -> Tensor:
        """Return the network's output ``[B, C, h, w]`` for its input, which ``Schedule.network_input`` makes."""
        ...
