"""Fallback synthesis: the picture that replaces a lost HCI (highly compressed image).

The received latent channels give light and dark and a little colour. Caption, semantic tokens and regions say what the
picture shows, hence its likely colours and roughly where they are. The network is trained to give the mean of all
pictures that agree with what was received (``training/pocket/fallback.py``), so unknown areas stay even.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional

from receiver.pocket.prompt import Prompt, PromptEmbedding, new_places
from receiver.pocket.saved_network import SavedNetwork
from receiver.pocket.sizes import RESTORER_SCALE
from shared.latent.layout import LATENT_STRIDE

if TYPE_CHECKING:
    from receiver.pocket.synthesis import LatentSynthesis

LAYOUT_SIDE = 8
"""Rows and columns of the layout in which the text conditioning has a place; that of a region's mask."""
SMOOTHING, SMOOTHING_REACH = 1.0, 4
"""Standard deviation and reach, in pixels at quarter size, of the Gaussian over a fallback image.

The latent synthesis leaves edges between its blocks, which the restorer would sharpen into a lattice.
"""


class FallbackSynthesis(SavedNetwork):
    """Predicts, at a sixteenth of the picture's size, what the prompt adds to the picture of the latent channels."""

    def __init__(self, width: int = 96, heads: int = 4) -> None:
        super().__init__(width=width, heads=heads)
        # The attributes' names are the keys of the weights that ship.
        self.words = PromptEmbedding(width)
        self.places = new_places(LAYOUT_SIDE * LAYOUT_SIDE, width)
        self.look = nn.MultiheadAttention(width, heads, batch_first=True)
        self.mix = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, width), nn.GELU(), nn.Linear(width, width))
        self.colours = nn.Sequential(
            nn.Conv2d(width + 4, width, 3, padding=1, padding_mode="replicate"),
            nn.GELU(),
            nn.Conv2d(width, width, 3, padding=1, padding_mode="replicate"),
            nn.GELU(),
            nn.Conv2d(width, 3, 1),
        )

    def lay_out_prompt(self, prompt: Prompt, masks: Tensor, rows: int, columns: int) -> Tensor:
        """Return features of the prompt at each place, ``[B, width, rows, columns]``, from a layout of 8 × 8 places.

        ``masks`` ``[B, 3, 8, 8]`` are those of the regions: a region's prompt token acts inside its mask, every other
        token acts everywhere.
        """
        tokens = self.words(prompt)
        given = prompt.given[:, None].expand(-1, LAYOUT_SIDE * LAYOUT_SIDE, -1)
        inside = masks.flatten(2).transpose(1, 2).to(given.dtype)
        regions = inside.shape[2]
        reach = torch.cat([given[..., :-regions], given[..., -regions:] * inside], 2) > 0
        queries = self.places.expand(len(tokens), -1, -1)
        hidden = (~reach).repeat_interleave(self.look.num_heads, 0)
        features = queries + self.look(queries, tokens, tokens, attn_mask=hidden, need_weights=False)[0]
        features = features + self.mix(features)
        layout = features.transpose(1, 2).unflatten(2, (LAYOUT_SIDE, LAYOUT_SIDE))
        return functional.interpolate(layout, (rows, columns), mode="bilinear", antialias=True)

    def forward(self, layout: Tensor, base: Tensor, given: Tensor) -> Tensor:
        """Return ``[B, 3, h, w]`` to add to ``base`` ``[B, 3, h, w]``, 0 to 1, the picture of the latent channels.

        ``layout`` ``[B, width, h, w]`` holds the features of the prompt. ``given`` ``[B, 1]`` is 0 if no latent channel
        was received.
        """
        availability = given[..., None, None].expand(-1, -1, *base.shape[2:])
        out: Tensor = self.colours(torch.cat([layout, base - 0.5, availability], 1))
        return out


def fallback_image(
    synthesis: LatentSynthesis, fallback: FallbackSynthesis, latent: Tensor, received: Tensor, layout: Tensor
) -> Tensor:
    """Return pictures ``[B, 3, 4h, 4w]``, a quarter of the full size, about 0 to 1.

    ``latent`` ``[B, 32, h, w]`` holds the latent channels in steps of the quantiser and ``received`` ``[B, 32]`` is 1
    for those that were received. ``layout`` ``[B, width, h, w]`` is the result of ``FallbackSynthesis.lay_out_prompt``.
    """
    given = received.amax(1, keepdim=True)
    full = synthesis(latent * received[:, :, None, None], received)
    base = 0.5 + (functional.avg_pool2d(full, RESTORER_SCALE) - 0.5) * given[..., None, None]
    added = fallback(layout, functional.avg_pool2d(base, LATENT_STRIDE // RESTORER_SCALE), given)
    out: Tensor = base + functional.interpolate(added, base.shape[2:], mode="bilinear")
    return out


def smooth(images: Tensor) -> Tensor:
    """Return ``images`` ``[B, 3, h, w]`` filtered by a Gaussian of ``SMOOTHING`` pixels; borders are repeated."""
    channels = images.shape[1]
    places = torch.arange(-SMOOTHING_REACH, SMOOTHING_REACH + 1, dtype=images.dtype, device=images.device)
    weights = torch.exp(-places.square() / (2 * SMOOTHING**2))
    kernel = (weights / weights.sum()).expand(channels, 1, 1, -1)
    padded = functional.pad(images, (SMOOTHING_REACH,) * 4, mode="replicate")
    across = functional.conv2d(padded, kernel, groups=channels)
    return functional.conv2d(across, kernel.transpose(2, 3), groups=channels)
