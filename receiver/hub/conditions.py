"""The conditions that a pretrained generator gets from the streams of one picture: prompts, masks, tokens, start."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from shared.regions.region import REGIONS_MAX

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from receiver.guidance import Guidance
    from shared.hub.profile import ModelProfile, OneStep
    from shared.latent.coder import LatentChannels
    from shared.regions.region import Region
    from shared.tokens.stream import Tokens


@dataclass(frozen=True, eq=False)
class Conditions:
    """The conditions of one picture.

    ``text`` is the prompt of the whole picture. ``regions`` holds the prompt and the mask, bool ``[8, 8]``, of each
    region with a prompt of its own. ``strength`` is where the sampling starts, 0 to 1. ``pseudo_time`` is the time that
    the decoded latent counts as, in one-step decoding. ``with_hci`` is whether there is an HCI (highly compressed
    image), which is what a ControlNet is fed.
    """

    text: str
    regions: tuple[tuple[str, NDArray[np.bool_]], ...]
    tokens: Tokens | None
    latent: LatentChannels | None
    strength: float
    pseudo_time: float | None
    with_hci: bool

    @property
    def shape(self) -> object:
        """What the pictures of one batch have in common, so that none of them is computed in another way than alone."""
        tokens = None if self.tokens is None else (self.tokens.kind, len(self.tokens.codes))
        return (len(self.regions), tokens, self.latent is None, self.strength, self.pseudo_time, self.with_hci)


def make_conditions(guidance: Guidance, profile: ModelProfile) -> Conditions:
    """Return the conditions that ``guidance`` gives under ``profile``.

    Without an HCI there is little to keep: with latent channels the sampling starts half-way to pure noise at least,
    and with words alone at pure noise.
    """
    named = [one for one in guidance.regions or () if _region_text(one)]
    regional = (
        tuple((_region_text(one), one.mask) for one in named if one.mask.any()) if profile.regional_prompts else ()
    )
    strength, pseudo_time = profile.strength, None
    if guidance.hci is None:
        strength = max(strength, 0.5) if guidance.latent is not None else 1.0
    elif profile.one_step is not None:
        pseudo_time = time_at(profile.one_step, 8 * guidance.hci_bytes / guidance.header.pixels)
    return Conditions(
        text=_whole_text(guidance.caption, named, regional=bool(regional)),
        regions=regional[:REGIONS_MAX],
        tokens=guidance.tokens,
        latent=guidance.latent,
        strength=strength,
        pseudo_time=pseudo_time,
        with_hci=guidance.hci is not None,
    )


def time_at(one_step: OneStep, bpp: float) -> float:
    """Return the pseudo-time of an HCI of ``bpp`` bits per pixel: linear in the logarithm of the rate between pairs."""
    pairs = one_step.time_at_bpp
    if bpp <= pairs[0][0]:
        return pairs[0][1]
    for (low, first), (high, second) in itertools.pairwise(pairs):
        if bpp <= high:
            share = math.log(bpp / low) / math.log(high / low)
            return first + share * (second - first)
    return pairs[-1][1]


def _whole_text(caption: str | None, named: Sequence[Region], *, regional: bool) -> str:
    """Return the prompt of the whole picture: the caption, and the texts of regions without a prompt of their own."""
    parts = [caption] if caption else []
    if not (regional and caption):
        parts += [_region_text(one) for one in named]
    return ". ".join(part.strip().rstrip(".") for part in parts)


def _region_text(region: Region) -> str:
    return ", ".join(part for part in (region.detail, region.name) if part.strip())
