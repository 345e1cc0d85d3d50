"""The refiner's recipe: from the restored picture to the picture, with the semantic tokens' codes in their places."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import numpy as np
import torch
from torch import Tensor, nn

from receiver.metrics.names import PERCEPTUAL
from receiver.metrics.perceptual import load_distance
from receiver.pocket.devices import autocast
from receiver.pocket.refiner import BLOCK, MULTIPLE, Places, Refiner
from shared.latent.layout import LATENT_CHANNELS
from shared.regions.region import REGIONS_MAX
from shared.text import TEXT_WIDTH
from training.pocket.losses import psnr_db
from training.report import draw_grid

if TYPE_CHECKING:
    from PIL import Image

    from receiver.metrics.perceptual import Dists, Lpips
    from training.pocket.restored import RestoredPairs

SIGMA = 0.05
AT_RESTORED = 0.85
"""Share of the crops whose time is 1, where every decoding starts."""
TOKENS_KEPT = 0.75
"""Share of the crops whose tokens were received."""
PIXEL, LPIPS_ALEX, LPIPS_VGG = 1.0, 0.4, 0.5
VGG_SIDE = 64
"""Side of the window on which LPIPS-VGG is computed, at full resolution; at half, the network games it."""
VGG_EVERY = 2
"""LPIPS-VGG sees every second crop of a batch: it takes a third of the time of a step even so."""
SHOWN = 8


class RefinerNetwork(nn.Module):
    """The refiner and its loss."""

    def __init__(self, refiner: Refiner) -> None:
        super().__init__()
        self.refiner = refiner
        for network in (refiner.unet, refiner.control):
            network.to(memory_format=torch.channels_last)
        self.alex = cast("Lpips", load_distance("lpips_alex"))
        self.vgg = cast("Lpips", load_distance("lpips_vgg"))

    def forward(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return the measures of one batch; ``loss`` is the one to minimise."""
        picture, restored, time = batch["picture"], batch["restored"], batch["time"]
        share = time[:, None, None, None]
        state = (1 - share) * picture + share * (restored + SIGMA * batch["noise"])
        prompt, given = null_prompt(restored)
        control = self.refiner.control_image(places_of(batch["codes"], restored))
        predicted = self.refiner(state, restored, time, prompt, given, control).float()
        pixel = (predicted - picture).abs().mean()
        alex = _distance(self.alex, predicted, picture)
        top, left = batch["corner"].tolist()
        window = slice(top, top + VGG_SIDE), slice(left, left + VGG_SIDE)
        vgg = _distance(self.vgg, predicted[::VGG_EVERY, :, *window], picture[::VGG_EVERY, :, *window])
        loss = PIXEL * pixel + LPIPS_ALEX * alex + LPIPS_VGG * vgg
        return {
            "loss": loss,
            "pixel": pixel,
            "lpips_alex": alex,
            "lpips_vgg": vgg,
            "psnr_db": psnr_db(predicted, picture),
        }


def places_of(codes: Tensor, restored: Tensor) -> Places:
    """Return ``Places`` of ``codes`` ``[B, H / 32, W / 32]`` alone, where the HCI was received whole."""
    batch, _, height, width = restored.shape
    device = restored.device
    quarter = height // BLOCK, width // BLOCK
    return Places(
        codes=codes,
        latent=torch.zeros(batch, LATENT_CHANNELS, height // MULTIPLE, width // MULTIPLE, device=device),
        received=torch.zeros(batch, LATENT_CHANNELS, device=device),
        regions=torch.zeros(batch, REGIONS_MAX, *quarter, device=device),
        hci=torch.ones(batch, 1, *quarter, device=device),
    )


def null_prompt(like: Tensor) -> tuple[Tensor, Tensor]:
    """Return the prompt without words ``[B, 1, 384]``, and that its one token is there ``[B, 1]``."""
    return (
        torch.zeros(len(like), 1, TEXT_WIDTH, device=like.device),
        torch.ones(len(like), 1, device=like.device),
    )


def _distance(distance: Lpips, output: Tensor, target: Tensor) -> Tensor:
    with torch.no_grad():
        references = distance.features(target)
    return distance.distance(distance.features(output), references).mean()


class RefinerRecipe:
    """Crops of restored pictures; tokens are missing from a quarter of them."""

    name = "refiner"

    def __init__(self, pairs: RestoredPairs, held_out: RestoredPairs, refiner: Refiner) -> None:
        self.network: nn.Module = RefinerNetwork(refiner)
        self._pairs, self._held_out = pairs, held_out
        self._distances: dict[str, Lpips | Dists] = {name: load_distance(name) for name in PERCEPTUAL}

    def batch(self, rng: np.random.Generator, count: int, side: int) -> dict[str, Tensor]:
        """Draw ``count`` crops of ``side`` pixels with noise, times and a window."""
        crops = self._pairs.draw(rng, count, side)
        lost = torch.from_numpy(rng.random(count) >= TOKENS_KEPT)
        crops["codes"][lost] = -1
        time = np.where(rng.random(count) < AT_RESTORED, 1.0, rng.uniform(0.2, 1.0, count))
        return {
            **crops,
            "time": torch.from_numpy(time.astype(np.float32)),
            "noise": torch.from_numpy(rng.standard_normal(crops["restored"].shape, dtype="float32")),
            "corner": torch.from_numpy(rng.integers(max(1, side - VGG_SIDE + 1), size=2)),
        }

    def validation(self, network: nn.Module) -> tuple[dict[str, float], Image.Image]:
        """Return the measures over held-out pairs after one step, and a grid: restored, no tokens, tokens, original.

        ``restored_`` measures are those of the restored picture, ``bare_`` those without tokens.
        """
        refiner = cast("RefinerNetwork", network).refiner
        device = next(refiner.parameters()).device
        sums: dict[str, float] = {}
        shown: list[Tensor] = []
        for index in range(len(self._held_out)):
            one = {name: value.to(device) for name, value in self._held_out.whole(index).items()}
            pictures = {
                "restored_": one["restored"],
                "bare_": refine_crop(refiner, one["restored"], torch.full_like(one["codes"], -1), index),
                "": refine_crop(refiner, one["restored"], one["codes"], index),
            }
            for prefix, picture in pictures.items():
                for name, value in self._measure(picture, one["picture"]).items():
                    sums[prefix + name] = sums.get(prefix + name, 0.0) + value / len(self._held_out)
            if index < SHOWN:
                shown.append(torch.cat([*pictures.values(), one["picture"]], 3).cpu())
        return {name: round(value, 4) for name, value in sums.items()}, draw_grid([torch.cat(shown)])

    @torch.inference_mode()
    def _measure(self, picture: Tensor, original: Tensor) -> dict[str, float]:
        measures = {
            name: float(one.to(picture.device)(picture, original).mean()) for name, one in self._distances.items()
        }
        return {**measures, "psnr_db": float(psnr_db(picture, original))}


@torch.inference_mode()
def refine_crop(refiner: Refiner, restored: Tensor, codes: Tensor, seed: int, steps: int = 1) -> Tensor:
    """Return ``restored`` ``[B, 3, H, W]`` refined, clamped to 0 to 1; ``codes`` -1: not received."""
    noise = torch.randn(restored.shape, generator=torch.Generator().manual_seed(seed)).to(restored.device)
    prompt, given = null_prompt(restored)
    with autocast(restored.device):
        control = refiner.control_image(places_of(codes, restored))
        refined = refiner.refine(restored, noise, SIGMA, steps, prompt, given, control)
    return refined.float().clamp(0, 1)
