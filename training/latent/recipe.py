"""What the training loop asks of a recipe: batches, the network, measures on validation pictures."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from shared.latent.layout import CHANNEL_COUNTS, LATENT_CHANNELS, LATENT_STRIDE
from training.channel_dropout import draw_channel_mask
from training.data import VALIDATION_FILE, decode_rgb, read_pictures
from training.latent.codec import Codec
from training.latent.pictures import Crops
from training.loop import Plan
from training.report import draw_grid

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray
    from PIL import Image

PLAN = Plan(steps=20_000, batch=8, side=192, rate=1e-3, log_every=50, sample_every=500)
RANDOM_SHARE = 0.25
"""Share of the pictures whose channels are kept at random, so that every channel shows something without the others."""
VALIDATED, SHOWN = 48, 6
BLOCKS_SEEN = 300
STEP, LEAD_STEP = 2.5, 5.0
"""Quantiser steps of orthonormal directions (pixels 0 to 1) at the start; the first is what a block is as a whole."""


class LatentRecipe:
    """The codec on crops of the training pictures."""

    name = "latent"

    def __init__(self, data: Path, seed: int = 1, codec: Codec | None = None) -> None:
        """Read the pictures of ``data``; begin with ``codec``, by default as a block transform.

        Raises:
            SetupError: there are no pictures.
        """
        self.crops = Crops(data)
        self.held = _load_validation_pictures(data)
        if codec is None:
            with torch.random.fork_rng():
                torch.manual_seed(seed)
                codec = Codec()
            codec.start(*self._directions(seed))
        self.network: nn.Module = codec

    def batch(self, rng: np.random.Generator, count: int, side: int) -> dict[str, Tensor]:
        """Draw one batch; everything random in a step comes from ``rng``."""
        small = side // LATENT_STRIDE
        return {
            "picture": torch.from_numpy(self.crops.batch(rng, count, side)),
            "noise": torch.from_numpy(
                rng.uniform(-0.5, 0.5, (count, LATENT_CHANNELS, small, small)).astype(np.float32)
            ),
            "dice": torch.from_numpy(rng.random((count, LATENT_CHANNELS), np.float32)),
            "count": torch.from_numpy(rng.choice(CHANNEL_COUNTS, count)),
            "by_rule": torch.from_numpy(rng.random(count) >= RANDOM_SHARE),
        }

    @torch.no_grad()
    def validation(self, network: nn.Module) -> tuple[dict[str, float], Image.Image]:
        """Return bits per sample and PSNR for every count of channels, chosen by the sender's rule, and pictures."""
        codec = cast("Codec", network)
        device = next(codec.parameters()).device
        picture = torch.from_numpy(np.stack(self.held)).to(device).permute(0, 3, 1, 2).float() / 255
        channels = codec.analysis(picture).round()
        measures: dict[str, float] = {}
        columns = [picture[:SHOWN]]
        for count in CHANNEL_COUNTS:
            rule = {
                "count": torch.full((len(picture),), count, device=device),
                "by_rule": torch.ones(len(picture), dtype=torch.bool, device=device),
                "dice": torch.zeros(len(picture), LATENT_CHANNELS, device=device),
            }
            kept = draw_channel_mask(channels, picture, rule)
            output = codec.synthesis(channels * kept[:, :, None, None], kept).clamp(0, 1)
            error = (output - picture).square().mean((1, 2, 3))
            bits = (codec.estimate_bits(channels) * kept).sum() / kept.sum() / (channels.shape[2] * channels.shape[3])
            measures[f"bits_{count}"] = round(float(bits), 4)
            measures[f"psnr_db_{count}"] = round(float((-10 * torch.log10(error)).mean()), 3)
            columns.append(output[:SHOWN])
        measures["psnr_db"] = measures["psnr_db_4"]
        measures["bits"] = measures["bits_4"]
        return measures, draw_grid(columns)

    def _directions(self, seed: int) -> tuple[Tensor, Tensor]:
        """Return principal directions ``[32, 768]`` of 16×16 blocks, most energy first, and steps for them."""
        rng = np.random.default_rng((seed, 2))
        crops = torch.from_numpy(self.crops.batch(rng, BLOCKS_SEEN, 64)).permute(0, 3, 1, 2).float() / 255 - 0.5
        rows = functional.pixel_unshuffle(crops, LATENT_STRIDE).permute(0, 2, 3, 1).flatten(0, 2)
        _, directions = torch.linalg.eigh(rows.T @ rows)
        steps = torch.full((LATENT_CHANNELS,), STEP)
        steps[0] = LEAD_STEP
        return directions[:, -LATENT_CHANNELS:].T.flip(0), steps


def _load_validation_pictures(data: Path) -> list[NDArray[np.uint8]]:
    """Return the first validation pictures, all of one size."""
    return [decode_rgb(picture) for picture in islice(read_pictures(data / VALIDATION_FILE), VALIDATED)]
