"""What stands in for a lost HCI: the picture that the planes draw, in the colours that the words tell.

A few planes draw light and dark and little colour; caption, tokens and regions tell what the picture shows, and so its
likely colours, coarsely where. The network learns the mean of all pictures that agree with what came
(``training/pocket/sketch.py``): what nothing tells stays even.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional

from receiver.pocket.diffusers_import import ConfigMixin, ModelMixin, register_to_config
from receiver.pocket.sizes import RESTORER_SCALE
from receiver.pocket.words import Prompt, Words
from shared.latent.layout import LATENT_STRIDE

if TYPE_CHECKING:
    from receiver.pocket.synthesis import Synthesis

LAYOUT = 8
"""Rows and columns in which words have a place; that of a region's mask."""
SMOOTHING, SMOOTHING_REACH = 1.0, 4
"""Standard deviation, and reach on either side, of the Gaussian over a sketch at quarter size.

The synthesis leaves edges between its blocks, which the restorer would sharpen into a lattice.
"""


class Sketch(ModelMixin, ConfigMixin):  # type: ignore[misc]  # diffusers is untyped
    """From words, and what the planes draw, to what is to be added to it, at a sixteenth of the picture's size."""

    @register_to_config  # type: ignore[untyped-decorator]
    def __init__(self, width: int = 96, heads: int = 4) -> None:
        super().__init__()
        self.words = Words(width)
        self.places = nn.Parameter(torch.randn(LAYOUT * LAYOUT, width) / 8)
        self.look = nn.MultiheadAttention(width, heads, batch_first=True)
        self.mix = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, width), nn.GELU(), nn.Linear(width, width))
        self.colours = nn.Sequential(
            nn.Conv2d(width + 4, width, 3, padding=1, padding_mode="replicate"),
            nn.GELU(),
            nn.Conv2d(width, width, 3, padding=1, padding_mode="replicate"),
            nn.GELU(),
            nn.Conv2d(width, 3, 1),
        )

    def told(self, prompt: Prompt, masks: Tensor, rows: int, columns: int) -> Tensor:
        """Return what the words say about each place, ``[B, width, rows, columns]``, in steps of an eighth of a side.

        ``masks`` ``[B, 3, 8, 8]`` are the regions': a region's word acts where its mask is, all others everywhere.
        """
        words = self.words(prompt)
        there = prompt.given[:, None].expand(-1, LAYOUT * LAYOUT, -1)
        inside = masks.flatten(2).transpose(1, 2).to(there.dtype)
        regions = inside.shape[2]
        reach = torch.cat([there[..., :-regions], there[..., -regions:] * inside], 2) > 0
        queries = self.places.expand(len(words), -1, -1)
        hidden = (~reach).repeat_interleave(self.look.num_heads, 0)
        seen = queries + self.look(queries, words, words, attn_mask=hidden, need_weights=False)[0]
        seen = seen + self.mix(seen)
        layout = seen.transpose(1, 2).unflatten(2, (LAYOUT, LAYOUT))
        return functional.interpolate(layout, (rows, columns), mode="bilinear", antialias=True)

    def forward(self, told: Tensor, drawn: Tensor, there: Tensor) -> Tensor:
        """Return ``[B, 3, h, w]`` to add to the picture ``drawn`` ``[B, 3, h, w]``, 0 to 1, by the planes.

        ``told`` is what the words say at that size. ``there`` ``[B, 1]`` is 0 where no plane came.
        """
        shown = there[..., None, None].expand(-1, -1, *drawn.shape[2:])
        out: Tensor = self.colours(torch.cat([told, drawn - 0.5, shown], 1))
        return out


def sketched(synthesis: Synthesis, sketch: Sketch, planes: Tensor, kept: Tensor, told: Tensor) -> Tensor:
    """Return pictures ``[B, 3, 4h, 4w]``, a quarter of the full size, about 0 to 1.

    ``planes`` ``[B, 32, h, w]`` in steps of the quantiser, of which those ``kept`` ``[B, 32]`` came; ``told``
    ``[B, width, h, w]`` is what ``Sketch.told`` returns at the size of planes.
    """
    there = kept.amax(1, keepdim=True)
    full = synthesis(planes * kept[:, :, None, None], kept)
    drawn = 0.5 + (functional.avg_pool2d(full, RESTORER_SCALE) - 0.5) * there[..., None, None]
    added = sketch(told, functional.avg_pool2d(drawn, LATENT_STRIDE // RESTORER_SCALE), there)
    out: Tensor = drawn + functional.interpolate(added, drawn.shape[2:], mode="bilinear")
    return out


def smoothed(sketches: Tensor) -> Tensor:
    """Return ``sketches`` ``[B, 3, h, w]`` under a Gaussian of ``SMOOTHING`` pixels; borders are repeated."""
    channels = sketches.shape[1]
    places = torch.arange(-SMOOTHING_REACH, SMOOTHING_REACH + 1, dtype=sketches.dtype, device=sketches.device)
    weights = torch.exp(-places.square() / (2 * SMOOTHING**2))
    kernel = (weights / weights.sum()).expand(channels, 1, 1, -1)
    padded = functional.pad(sketches, (SMOOTHING_REACH,) * 4, mode="replicate")
    across = functional.conv2d(padded, kernel, groups=channels)
    return functional.conv2d(across, kernel.transpose(2, 3), groups=channels)
