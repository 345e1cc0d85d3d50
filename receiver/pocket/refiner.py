"""The refiner: a diffusion network on pixels that starts from the restored picture.

Blocks of 4 × 4 pixels become channels. The network takes a state between the picture and the noisy restored picture,
``x_t = (1 - t) * picture + t * (restored + sigma * noise)``, and predicts the picture itself, so one step gives a
result and more steps refine it: inversion by direct iteration (Delbracio and Milanfar 2023, equations 2 and 8).

It is a U-Net of residual blocks without norms, which would depend on the whole picture, so tiles agree. Words act by
cross-attention at 1/16 of the size. What has a place in the picture is added to the features there: diffusers'
``UNet2DConditionModel`` with a ``ControlNetModel`` did not learn to use the codes (docs/results/refiner-structure.md).
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional

from receiver.pocket.saved_network import SavedNetwork
from shared.latent.layout import LATENT_CHANNELS
from shared.regions.region import REGIONS_MAX
from shared.residual.stream import CODES, STRIDE
from shared.text import TEXT_WIDTH

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

BLOCK = 4
"""Side in pixels of the blocks that become channels."""
STATE_CHANNELS = 3 * BLOCK * BLOCK
WIDTHS = (80, 128, 160)
"""Channels at 1/4, 1/8 and 1/16 of the picture's size."""
HEAD_WIDTH = 32
"""Channels of one attention head; the last width is a multiple of it."""
COARSE = 4 * BLOCK
"""Pixels of a place at 1/16 of the size, where words and places act."""
MULTIPLE = STRIDE
"""The sides of a picture are multiples of this."""
PLACED_CHANNELS = LATENT_CHANNELS + REGIONS_MAX + 2
"""Latent channels, region masks, the mask of the received HCI, and whether there is a latent channel."""
SIGMA = 0.05
"""Standard deviation of the noise at the start, pixels being 0 to 1."""


@dataclass(frozen=True)
class Places:
    """What has a place in the picture. A stream that was lost is zero and not available.

    ``codes`` ``[B, H / 32, W / 32]`` int64, -1 where no token was received; ``latent`` ``[B, 32, H / 16, W / 16]`` and
    ``received`` ``[B, 32]``, 1 for channels that were received; ``regions`` ``[B, 3, H / 4, W / 4]``; ``hci``
    ``[B, 1, H / 4, W / 4]``, 1 where the HCI was received.
    """

    codes: Tensor
    latent: Tensor
    received: Tensor
    regions: Tensor
    hci: Tensor

    def to(self, device: torch.device) -> Places:
        """Return the same places on ``device``."""
        return Places(*(getattr(self, field.name).to(device) for field in fields(self)))


class ResidualBlock(nn.Module):
    """Two convolutions whose result is added to their input. A new block is the identity."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(width, width, 3, padding=1)
        self.second = nn.Conv2d(width, width, 3, padding=1)
        _set_zero(self.second)

    def forward(self, x: Tensor) -> Tensor:
        """Return ``[B, width, h, w]``."""
        inner: Tensor = self.second(functional.silu(self.first(functional.silu(x))))
        return x + inner


class WordAttention(nn.Module):
    """Cross-attention from places to prompt tokens, added to its input."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.query = nn.Linear(width, width, bias=False)
        self.keys = nn.Linear(TEXT_WIDTH, 2 * width, bias=False)
        self.out = nn.Linear(width, width)
        self.heads = width // HEAD_WIDTH

    def forward(self, x: Tensor, prompt: Tensor, allowed: Tensor) -> Tensor:
        """Return ``[B, C, h, w]`` for ``x`` of that shape, ``prompt`` ``[B, T, 384]`` and ``allowed`` ``[B, h·w, T]``.

        Place q attends to token t where ``allowed`` is not 0.
        """
        batch, width, rows, columns = x.shape
        places = x.flatten(2).transpose(1, 2)
        query, key, value = (
            part.view(batch, -1, self.heads, width // self.heads).transpose(1, 2)
            for part in (self.query(self.norm(places)), *self.keys(prompt).chunk(2, 2))
        )
        read = functional.scaled_dot_product_attention(query, key, value, attn_mask=allowed[:, None] > 0)
        change: Tensor = self.out(read.transpose(1, 2).flatten(2))
        return x + change.transpose(1, 2).view(batch, width, rows, columns)


def _residual_blocks(width: int, count: int) -> nn.Sequential:
    return nn.Sequential(*[ResidualBlock(width) for _ in range(count)])


def _set_zero(layer: nn.Conv2d) -> None:
    for parameter in layer.parameters():
        nn.init.zeros_(parameter)


def _draw_vectors(*shape: int) -> Tensor:
    """Return standard normal vectors; without values on the device "meta", where weights are loaded later."""
    vectors = torch.empty(*shape)
    # On "meta", torch would import its compiler for random numbers: a second.
    return vectors if vectors.is_meta else vectors.normal_()


class PlaceEmbedding(nn.Module):
    """From what has a place to features at 1/16 of the picture's size."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.codes = nn.Embedding(CODES + 1, width, _weight=_draw_vectors(CODES + 1, width))
        """One vector for each code, and the last for a place whose code was not received."""
        self.code_blocks = nn.Sequential(nn.Conv2d(width, width, 3, padding=1), ResidualBlock(width))
        self.enlarge = nn.Conv2d(width, 4 * width, 1)
        self.placed = nn.Sequential(nn.Conv2d(PLACED_CHANNELS, width, 3, padding=1), ResidualBlock(width))

    def forward(self, places: Places) -> Tensor:
        """Return ``[B, C, H / 16, W / 16]``."""
        codes = torch.where(places.codes < 0, CODES, places.codes)
        coded = self.code_blocks(self.codes(codes).permute(0, 3, 1, 2))
        features: Tensor = functional.pixel_shuffle(self.enlarge(coded), STRIDE // COARSE)
        latent = places.latent * places.received[:, :, None, None]
        any_channel = places.received.amax(1)[:, None, None, None].expand(-1, 1, *latent.shape[2:])
        coarse = [functional.avg_pool2d(part, COARSE // BLOCK) for part in (places.regions, places.hci)]
        dtype = self.enlarge.weight.dtype
        placed: Tensor = self.placed(torch.cat([latent, any_channel, *coarse], 1).to(dtype))
        return features + placed


class Refiner(SavedNetwork):
    """The network. A new one leaves the restored picture as it is."""

    def __init__(self, widths: Sequence[int] = WIDTHS) -> None:
        super().__init__(widths=list(widths))
        fine, middle, coarse = widths
        self.head = nn.Conv2d(2 * STATE_CHANNELS + 1, fine, 3, padding=1)
        self.fine_down = _residual_blocks(fine, 3)
        self.to_middle = nn.Conv2d(fine, middle, 2, stride=2)
        self.middle_down = _residual_blocks(middle, 3)
        self.to_coarse = nn.Conv2d(middle, coarse, 2, stride=2)
        self.places = PlaceEmbedding(coarse)
        self.before_words = _residual_blocks(coarse, 2)
        self.words = WordAttention(coarse)
        self.after_words = _residual_blocks(coarse, 2)
        self.from_coarse = nn.Conv2d(coarse, 4 * middle, 1)
        self.middle_up = _residual_blocks(middle, 2)
        self.from_middle = nn.Conv2d(middle, 4 * fine, 1)
        self.fine_up = _residual_blocks(fine, 3)
        self.tail = nn.Conv2d(fine, STATE_CHANNELS, 3, padding=1)
        _set_zero(self.tail)

    def forward(
        self, state: Tensor, restored: Tensor, time: Tensor, prompt: Tensor, allowed: Tensor, places: Tensor
    ) -> Tensor:
        """Return the predicted picture ``[B, 3, H, W]``, about 0 to 1.

        ``state`` and ``restored`` are ``[B, 3, H, W]``, about 0 to 1, with sides that are multiples of 32; ``time``
        ``[B]`` is 1 at the restored picture and 0 at the picture. ``prompt`` ``[B, T, 384]`` are embedded words, and
        ``allowed`` ``[B, H / 16 · W / 16, T]`` is 1 where they act (``limit_regions``). ``places`` is the result of
        ``self.places``, or a tile of it.
        """
        # The noise has variance 1 in the input: from weaker noise the network learns texture more slowly.
        away = (state - restored) / SIGMA
        blocks = functional.pixel_unshuffle(torch.cat([restored - 0.5, away], 1), BLOCK).to(self.head.weight.dtype)
        when = time.view(-1, 1, 1, 1).to(blocks.dtype).expand(-1, 1, *blocks.shape[2:])
        fine = self.fine_down(self.head(torch.cat([blocks, when], 1)))
        middle = self.middle_down(self.to_middle(fine))
        coarse = self.before_words(self.to_coarse(middle) + places)
        coarse = self.after_words(self.words(coarse, prompt, allowed))
        middle = self.middle_up(middle + functional.pixel_shuffle(self.from_coarse(coarse), 2))
        fine = self.fine_up(fine + functional.pixel_shuffle(self.from_middle(middle), 2))
        return restored + functional.pixel_shuffle(self.tail(fine).float(), BLOCK)

    def refine(
        self, restored: Tensor, noise: Tensor, steps: int, prompt: Tensor, allowed: Tensor, places: Tensor
    ) -> Tensor:
        """Return the picture ``[B, 3, H, W]`` after ``steps`` steps from ``restored + SIGMA * noise``."""

        def predict(state: Tensor, time: Tensor) -> Tensor:
            predicted: Tensor = self(state, restored, time, prompt, allowed, places)
            return predicted

        return iterate(predict, restored, noise, steps)


def iterate(predict: Callable[[Tensor, Tensor], Tensor], restored: Tensor, noise: Tensor, steps: int) -> Tensor:
    """Return the picture ``[B, 3, H, W]`` after ``steps`` calls of ``predict``, from ``restored + SIGMA * noise``.

    ``predict`` takes a state and its time ``[B]`` and returns the picture.
    """
    state = restored + SIGMA * noise
    picture = restored
    for step in range(steps, 0, -1):
        picture = predict(state, torch.full((len(restored),), step / steps, device=restored.device))
        state = picture + (step - 1) / step * (state - picture)
    return picture
