"""Conditioning: what the streams beside the HCI (highly compressed image) give to the networks, as tensors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch.nn import functional

from receiver.pocket.prompt import Prompt, batch_prompts
from receiver.pocket.refiner import BLOCK, COARSE, Places
from shared.latent.layout import LATENT_CHANNELS
from shared.regions.region import MASK_SIDE, REGIONS_MAX
from shared.residual.stream import LOST, STRIDE
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

LATENT_FACTOR = 0.25
"""Brings the integer values of latent channels to about the range of the other inputs."""


@dataclass(frozen=True)
class Conditioning:
    """The conditioning of one picture. What was lost is None.

    ``caption`` holds text vectors ``[C, 384]``, ``tokens`` the kind and the numbers ``[N, 3]``. ``regions`` holds the
    text vectors ``[N, 384]`` of the first N regions and the masks ``[R, 8, 8]`` of all of them. ``latent``
    ``[32, H / 16, W / 16]`` holds the latent channels and ``received`` ``[32]`` is 1 for those that were received.
    ``hci_received`` ``[1, 1, h, w]`` is 1 where slices of the HCI (highly compressed image) were received; None if all
    were. ``codes`` int64 ``[ceil(H / 32), ceil(W / 32)]`` are the residual tokens, -1 where they were lost.
    """

    caption: Tensor | None = None
    tokens: tuple[TokenKind, Tensor] | None = None
    regions: tuple[Tensor, Tensor] | None = None
    latent: Tensor | None = None
    received: Tensor | None = None
    hci_received: Tensor | None = None
    codes: Tensor | None = None


def make_conditioning(guidance: Guidance, text: Callable[[], TextEncoder]) -> Conditioning:
    """Return the conditioning for ``guidance``. ``text`` returns the text encoder and is called only if there is text.

    Raises:
        SetupError: the text encoder is not installed.
    """
    tokens, latent = guidance.tokens, guidance.latent
    return Conditioning(
        caption=text()(guidance.caption) if guidance.caption else None,
        tokens=None if tokens is None else (tokens.kind, torch.from_numpy(tokens.numbers())),
        regions=_encode_regions(guidance.regions, text()) if guidance.regions else None,
        latent=None if latent is None else _fill_channels(latent),
        received=None if latent is None else torch.zeros(LATENT_CHANNELS).index_fill_(0, torch.tensor(latent.ids), 1.0),
        hci_received=None if guidance.received is None else torch.from_numpy(guidance.received),
        codes=None if guidance.residual is None else torch.from_numpy(guidance.residual),
    )


def region_text(region: Region) -> str:
    """Return the text for the text encoder; empty if the region has neither name nor detail."""
    return ", ".join(part for part in (region.name, region.detail) if part.strip())


def scale_latent(values: NDArray[np.integer[Any]]) -> NDArray[np.float16]:
    """Return decoded latent ``values`` as the networks take them."""
    return (values * LATENT_FACTOR).astype(np.float16)


def batch_text(batch: Sequence[Conditioning]) -> Prompt:
    """Return the prompt tokens of a batch of pictures."""
    return batch_prompts(
        [one.caption for one in batch],
        [one.tokens for one in batch],
        [None if one.regions is None else one.regions[0] for one in batch],
        TEXT_WIDTH,
    )


def batch_latent(batch: Sequence[Conditioning], rows: int, columns: int) -> tuple[Tensor, Tensor]:
    """Return latent channels ``[B, 32, rows, columns]`` in quantiser steps, and 1 for those received ``[B, 32]``."""
    latent, received = torch.zeros(len(batch), LATENT_CHANNELS, rows, columns), torch.zeros(len(batch), LATENT_CHANNELS)
    for row, one in enumerate(batch):
        if one.latent is not None and one.received is not None:
            latent[row], received[row] = one.latent / LATENT_FACTOR, one.received
    return latent, received


def batch_masks(batch: Sequence[Conditioning]) -> Tensor:
    """Return the masks of the regions ``[B, 3, 8, 8]``, zero where there are fewer regions."""
    masks = torch.zeros(len(batch), REGIONS_MAX, MASK_SIDE, MASK_SIDE)
    for row, one in enumerate(batch):
        if one.regions is not None:
            masks[row, : len(one.regions[1])] = one.regions[1].float()
    return masks


def batch_places(batch: Sequence[Conditioning], rows: int, columns: int, *, has_hci: bool) -> Places:
    """Return what has a place, for pictures of 16 · ``rows`` × 16 · ``columns`` pixels.

    These may be padded beyond the picture: there, the latent channels repeat their last row and column. ``has_hci`` is
    whether the pictures have an HCI.
    """
    count, quarter = len(batch), (COARSE // BLOCK * rows, COARSE // BLOCK * columns)
    latent, received = torch.zeros(count, LATENT_CHANNELS, rows, columns), torch.zeros(count, LATENT_CHANNELS)
    hci = torch.full((count, 1, *quarter), float(has_hci))
    codes = torch.full((count, COARSE * rows // STRIDE, COARSE * columns // STRIDE), LOST)
    for row, one in enumerate(batch):
        if one.latent is not None and one.received is not None:
            missing = (0, columns - one.latent.shape[2], 0, rows - one.latent.shape[1])
            latent[row], received[row] = functional.pad(one.latent[None], missing, mode="replicate")[0], one.received
        if one.codes is not None:
            codes[row] = one.codes
        if has_hci and one.hci_received is not None:
            hci[row] = functional.interpolate(one.hci_received.float(), quarter, mode="nearest")[0]
    return Places(codes, latent, received, functional.interpolate(batch_masks(batch), quarter, mode="nearest"), hci)


def _encode_regions(regions: Sequence[Region], text: TextEncoder) -> tuple[Tensor, Tensor]:
    """Return text vectors ``[N, 384]`` and masks ``[R, 8, 8]``."""
    # The vector with index i belongs to the mask with index i: regions without text come last.
    ordered = sorted(regions, key=lambda region: not region_text(region))
    vectors = [text.sentence(sentence) for region in ordered if (sentence := region_text(region))]
    masks = torch.from_numpy(np.stack([region.mask for region in ordered])).float()
    return torch.stack(vectors) if vectors else torch.zeros(0, TEXT_WIDTH), masks


def _fill_channels(latent: LatentChannels) -> Tensor:
    """Return all channels ``[32, h, w]``, zero for those that were not sent."""
    channels = torch.zeros(LATENT_CHANNELS, *latent.values.shape[1:])
    channels[list(latent.ids)] = torch.from_numpy(scale_latent(latent.values).astype(np.float32))
    return channels
