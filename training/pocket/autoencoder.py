"""The autoencoder's recipe: pictures through 16 channels at an eighth of their size."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import torch
from torch import Tensor, nn

from receiver.pocket.devices import autocast
from receiver.pocket.networks import from_latent, to_latent
from training.pocket.losses import PictureLoss, Weights, psnr_db
from training.pocket.pairs import to_batch
from training.report import draw_grid

if TYPE_CHECKING:
    import numpy as np
    from PIL import Image

    from receiver.pocket.diffusers_import import AutoencoderDC
    from training.pocket.pairs import Pairs

LATENT_NOISE = 0.05
"""Standard deviation of what is added to latents while training, so that the decoder bears imprecise ones."""
LATENT_PENALTY = 1e-3
PERCEPTUAL_SHARE = 3
"""The perceptual distances cost more than the autoencoder itself: they are computed for one crop in this many."""
SHOWN = 6


class AutoencoderNetwork(nn.Module):
    """The autoencoder and its loss."""

    def __init__(self, autoencoder: AutoencoderDC, weights: Weights) -> None:
        super().__init__()
        self.autoencoder = autoencoder.to(memory_format=torch.channels_last)
        self.loss = PictureLoss(weights)

    def forward(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return the measures of one batch; ``loss`` is the one to minimise."""
        picture = batch["picture"]
        latent = to_latent(self.autoencoder, picture)
        output = from_latent(self.autoencoder, latent + LATENT_NOISE * batch["noise"]).float()
        pixel = (output - picture).abs().mean()
        seen = -(-len(picture) // PERCEPTUAL_SHARE)
        terms = self.loss.compute_terms(output[:seen], picture[:seen])
        penalty = latent.float().square().mean()
        return {
            "loss": self.loss.weights.pixel * pixel + self.loss.weigh(terms) + LATENT_PENALTY * penalty,
            "pixel": pixel,
            **terms,
            "latent_std": latent.detach().float().std(),
            "psnr_db": psnr_db(output, picture),
        }


class AutoencoderRecipe:
    """Reconstruction of crops: pixels and perceptual distances."""

    name = "autoencoder"

    def __init__(self, pairs: Pairs, held_out: Pairs, autoencoder: AutoencoderDC, weights: Weights) -> None:
        self.network: nn.Module = AutoencoderNetwork(autoencoder, weights)
        self._pairs = pairs
        self._held_out = to_batch((held_out.pictures[:], held_out.quarters[:]))["picture"]

    def batch(self, rng: np.random.Generator, count: int, side: int) -> dict[str, Tensor]:
        """Draw ``count`` crops of ``side`` pixels, and the noise on their latents."""
        batch = to_batch(self._pairs.crops(rng, count, side))
        channels = cast("AutoencoderNetwork", self.network).autoencoder.config.latent_channels
        noise = rng.standard_normal((count, channels, side // 8, side // 8), dtype="float32")
        return {"picture": batch["picture"], "noise": torch.from_numpy(noise)}

    def validation(self, network: nn.Module) -> tuple[dict[str, float], Image.Image]:
        """Return the measures over held-out crops, and some of them: original above reconstruction."""
        network = cast("AutoencoderNetwork", network)
        device = next(network.parameters()).device
        sums: dict[str, float] = {}
        shown: list[Tensor] = []
        with torch.inference_mode():
            for index in range(len(self._held_out)):
                one = self._held_out[index : index + 1].to(device)
                with autocast(device):
                    output = from_latent(network.autoencoder, to_latent(network.autoencoder, one)).float()
                    measures = network.loss(output.clamp(0, 1), one)
                for name, value in measures.items():
                    sums[name] = sums.get(name, 0.0) + float(value) / len(self._held_out)
                shown.append(torch.cat([one, output], 2).cpu())
        columns = [column.contiguous() for column in shown[:SHOWN]]
        return {name: round(value, 4) for name, value in sums.items()}, draw_grid(columns)
