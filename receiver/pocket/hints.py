"""What a picture's streams tell besides the HCI, as tensors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch.nn import functional

from receiver.pocket.words import Prompt, prompt_of
from shared.latent.layout import LATENT_CHANNELS
from shared.regions.region import MASK_SIDE, REGIONS_MAX
from shared.text import TEXT_WIDTH

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray
    from torch import Tensor

    from receiver.guidance import Guidance
    from shared.latent.coder import LatentChannels
    from shared.regions.region import Region
    from shared.text import TextEncoder
    from shared.tokens.stream import TokenKind

PLANE_SCALE = 0.25
"""Planes are whole numbers; this brings them to about the range of the other inputs."""


@dataclass(frozen=True)
class Hints:
    """One picture's: None for what is lost.

    ``caption`` ``[C, 384]``, ``tokens`` kind and numbers ``[N, 3]``, ``regions`` masks ``[R, 8, 8]`` behind the
    words ``[N, 384]`` of the first N, ``planes`` ``[32, H / 16, W / 16]``, of which those ``kept`` ``[32]`` came.
    """

    caption: Tensor | None = None
    tokens: tuple[TokenKind, Tensor] | None = None
    regions: tuple[Tensor, Tensor] | None = None
    planes: Tensor | None = None
    kept: Tensor | None = None


def hints_of(guidance: Guidance, text: Callable[[], TextEncoder]) -> Hints:
    """Return what ``guidance`` tells the flow; ``text`` gives the text encoder, where there is text.

    Raises:
        SetupError: the text encoder is not installed.
    """
    tokens, planes = guidance.tokens, guidance.latent
    return Hints(
        caption=text()(guidance.caption) if guidance.caption else None,
        tokens=None if tokens is None else (tokens.kind, torch.from_numpy(tokens.numbers())),
        regions=_regions_of(guidance.regions, text()) if guidance.regions else None,
        planes=None if planes is None else _all_planes(planes),
        kept=None if planes is None else torch.zeros(LATENT_CHANNELS).index_fill_(0, torch.tensor(planes.ids), 1.0),
    )


def region_words(region: Region) -> str:
    """Return what the text encoder is told of a region; empty where it has neither name nor detail."""
    return ", ".join(part for part in (region.name, region.detail) if part.strip())


def _regions_of(regions: Sequence[Region], text: TextEncoder) -> tuple[Tensor, Tensor]:
    # A word belongs to the mask of its number: regions that say nothing come last.
    told = sorted(regions, key=lambda region: not region_words(region))
    words = [text.sentence(told_of) for region in told if (told_of := region_words(region))]
    masks = torch.from_numpy(np.stack([region.mask for region in told])).float()
    return torch.stack(words) if words else torch.zeros(0, TEXT_WIDTH), masks


def _all_planes(planes: LatentChannels) -> Tensor:
    """Return ``[32, h, w]`` with zeros for the channels that were not sent."""
    whole = torch.zeros(LATENT_CHANNELS, *planes.values.shape[1:])
    whole[list(planes.ids)] = torch.from_numpy(plane_values(planes.values).astype(np.float32))
    return whole


def plane_values(planes: NDArray[np.integer[Any]]) -> NDArray[np.float16]:
    """Return decoded ``planes`` as the flow is given them."""
    return (planes * PLANE_SCALE).astype(np.float16)


def prompt_from(hints: Sequence[Hints]) -> Prompt:
    """Return the words of a batch of pictures."""
    return prompt_of(
        [one.caption for one in hints],
        [one.tokens for one in hints],
        [None if one.regions is None else one.regions[0] for one in hints],
        TEXT_WIDTH,
    )


def planes_from(hints: Sequence[Hints], rows: int, columns: int) -> tuple[Tensor, Tensor]:
    """Return planes ``[B, 32, rows, columns]`` in steps of the quantiser, and which of them came ``[B, 32]``."""
    planes, kept = torch.zeros(len(hints), LATENT_CHANNELS, rows, columns), torch.zeros(len(hints), LATENT_CHANNELS)
    for row, one in enumerate(hints):
        if one.planes is not None and one.kept is not None:
            planes[row], kept[row] = one.planes / PLANE_SCALE, one.kept
    return planes, kept


def masks_from(hints: Sequence[Hints]) -> Tensor:
    """Return the regions' masks ``[B, 3, 8, 8]``, empty where there are fewer."""
    masks = torch.zeros(len(hints), REGIONS_MAX, MASK_SIDE, MASK_SIDE)
    for row, one in enumerate(hints):
        if one.regions is not None:
            masks[row, : len(one.regions[1])] = one.regions[1].float()
    return masks


def maps_from(hints: Sequence[Hints], height: int, width: int) -> tuple[Tensor, Tensor, Tensor]:
    """Return planes ``[B, 32, height, width]``, masks ``[B, 3, height, width]``, and which are given ``[B, 2]``.

    ``height`` and ``width`` are the latent's, which may be padded beyond the picture: planes are repeated at its edge.
    """
    planes = torch.zeros(len(hints), LATENT_CHANNELS, height, width)
    for row, one in enumerate(hints):
        if one.planes is not None:
            double = one.planes.repeat_interleave(2, 1).repeat_interleave(2, 2)[:, :height, :width]
            missing = (0, width - double.shape[2], 0, height - double.shape[1])
            planes[row] = functional.pad(double[None], missing, mode="replicate")[0]
    masks = functional.interpolate(masks_from(hints), (height, width), mode="nearest")
    given = torch.tensor([[one.planes is not None, one.regions is not None] for one in hints]).float()
    return planes, masks, given
