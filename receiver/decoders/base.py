"""The interface of every decoder: what it takes, which options it has, what it returns."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

from shared.errors import ConfigError

if TYPE_CHECKING:
    from threading import Event

    import numpy as np
    from numpy.typing import NDArray

    from receiver.guidance import Guidance
    from shared.bitstream import PictureHeader

MAX_STEPS: Final = 50
"""Most steps of any decoder; ``Decoder.max_steps`` are those of one."""


@dataclass(frozen=True, slots=True)
class DecodeOptions:
    """Options of one reconstruction.

    Args:
        steps: steps of the decoder's refiner or diffusion; 0 skips it.
        fidelity: strength of the data consistency with the received HCI (highly compressed image), 0 (none) to 1
            (full); None leaves it to the decoder, which may depend on the scale of the HCI.
        seed: seed of the decoder's noise.
        trust: whether to compute the trust map.

    Raises:
        ConfigError: ``steps`` or ``fidelity`` is out of range.
    """

    steps: int = 1
    fidelity: float | None = None
    seed: int = 0
    trust: bool = True

    def __post_init__(self) -> None:
        check_steps(self.steps, MAX_STEPS)
        if self.fidelity is not None and (math.isnan(self.fidelity) or not 0 <= self.fidelity <= 1):
            raise ConfigError(
                f"fidelity = {self.fidelity:g}: give 0 (no data consistency) to 1 (as near to the HCI as possible)"
            )


@dataclass(frozen=True, slots=True)
class Reconstruction:
    """A decoded picture: ``pixels`` uint8 ``[H, W, 3]`` or, if grey, ``[H, W]``.

    ``trust_map`` uint8 ``[ceil(H / 16), ceil(W / 16)]`` runs from 0 (invented) to 255 (received); ``trust`` is its
    mean, 0 to 1. Both are None if they were not asked for or the decoder has no trust map. ``fidelity`` is the one that
    was applied, None without an HCI or for a decoder without options.
    """

    pixels: NDArray[np.uint8]
    trust_map: NDArray[np.uint8] | None = None
    trust: float | None = None
    fidelity: float | None = None


@dataclass(frozen=True, slots=True)
class ModelId:
    """A model that a decoder uses: its part, its name or hub id, and its revision or a hash, "" if it has none."""

    part: str
    model: str
    revision: str = ""


@dataclass(frozen=True, slots=True)
class DecodeCost:
    """What decoding one picture takes, by estimate.

    ``memory_bytes`` is the memory beside the picture itself. ``work`` is the number of pixels times the passes of the
    pocket decoder's networks that take as long (``shared.rpc.lanes.SMALL_WORK``).
    """

    memory_bytes: int
    work: int


class Decoder(Protocol):
    """Decodes a picture from any subset of the guidance. Several threads may call it at once."""

    name: str

    @property
    def device(self) -> str:
        """Where it computes: ``cpu``, ``cuda`` ..."""
        ...

    @property
    def models(self) -> tuple[ModelId, ...]:
        """The models that it uses."""
        ...

    @property
    def default_steps(self) -> int | None:
        """Steps if the caller names none; None for a decoder that takes no options."""
        ...

    @property
    def max_steps(self) -> int:
        """Most steps that it takes."""
        ...

    def cost(self, header: PictureHeader, steps: int) -> DecodeCost:
        """Return what it takes to decode a picture of this size in ``steps``, before anything is allocated for it."""
        ...

    def reconstruct(
        self, guidance: Guidance, options: DecodeOptions, stop: Event | None = None
    ) -> Reconstruction | None:
        """Return the picture, or None if the decoder cannot start from this guidance.

        ``stop`` is set when the caller has cancelled. A decoder that takes long checks it between steps
        and then raises a ``ServiceError``.
        """
        ...


def check_steps(steps: int, most: int) -> None:
    """Check that a decoder which takes up to ``most`` steps can take ``steps``.

    Raises:
        ConfigError: it cannot.
    """
    if not 0 <= steps <= most:
        raise ConfigError(f"steps = {steps}: give 0 (the restorer alone) to {most}")


def options_for(
    decoder: Decoder, *, steps: int | None = None, fidelity: float | None = None, seed: int = 0, trust: bool = False
) -> DecodeOptions:
    """Return options for ``decoder``, with its default number of steps if ``steps`` is None.

    Raises:
        ConfigError: a value is out of range.
    """
    check_steps(steps or 0, decoder.max_steps)
    return DecodeOptions(
        steps=(decoder.default_steps or 0) if steps is None else steps,
        fidelity=fidelity,
        seed=seed,
        trust=trust,
    )
