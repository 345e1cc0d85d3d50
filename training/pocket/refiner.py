"""The refiner's recipe: from the restored picture to the picture, with any subset of the streams."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import numpy as np
import torch
from torch import Tensor, nn

from receiver.metrics.names import PERCEPTUAL
from receiver.metrics.perceptual import load_distance
from receiver.pocket.devices import autocast
from receiver.pocket.prompt import Prompt, limit_regions
from receiver.pocket.refiner import BLOCK, COARSE, SIGMA, Places, Refiner
from shared.latent.layout import LATENT_CHANNELS
from shared.regions.region import REGIONS_MAX
from shared.text import TEXT_WIDTH
from shared.tokens.stream import TokenKind
from training.pocket.losses import psnr_db
from training.pocket.refiner_validation import validate

if TYPE_CHECKING:
    from PIL import Image

    from receiver.metrics.perceptual import Dists, Lpips
    from receiver.pocket.prompt import PromptEmbedding
    from training.pocket.losses import Weights
    from training.pocket.refiner_pairs import RefinerPairs

AT_START = 0.85
"""Share of the crops whose time is 1, where every decoding starts."""
WINDOW = 64
"""Side of the window on which VGG16's distances are computed, at full resolution; at half, the network games them."""


class RefinerNetwork(nn.Module):
    """The refiner, the prompt embedding that ships (frozen: the attention's own maps follow it), and the loss."""

    def __init__(self, refiner: Refiner, prompt_embedding: PromptEmbedding, weights: Weights) -> None:
        super().__init__()
        self.refiner = refiner
        self.prompt_embedding = prompt_embedding.requires_grad_(requires_grad=False)
        self.weights = weights
        refiner.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # missing in torch's types
        wanted = [name for name in PERCEPTUAL if getattr(weights, name)]
        self.distances = nn.ModuleDict({name: load_distance(name) for name in wanted})

    def forward(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return the measures of one batch; ``loss`` is the one to minimise."""
        picture, start, time = batch["picture"], batch["start"], batch["time"]
        share = time[:, None, None, None]
        state = (1 - share) * picture + share * (start + SIGMA * batch["noise"])
        predicted = self.refiner(state, start, time, *self.make_conditions(batch)).float()
        measures = {"pixel": (predicted - picture).abs().mean()}
        top, left = batch["corner"].tolist()
        window = slice(None), slice(None), slice(top, top + WINDOW), slice(left, left + WINDOW)
        for name, module in self.distances.items():
            parts = (predicted, picture)
            if name != "lpips_alex":
                parts = predicted[window], picture[window]
            measures[name] = _distance(cast("Lpips | Dists", module), *parts)
        loss = torch.stack([getattr(self.weights, name) * value for name, value in measures.items()]).sum()
        return {"loss": loss, **measures, "psnr_db": psnr_db(predicted, picture)}

    def make_conditions(self, batch: dict[str, Tensor]) -> tuple[Tensor, Tensor, Tensor]:
        """Return the embedded prompt ``[B, T, 384]``, where it acts ``[B, Q, T]``, and the features of the places."""
        given, regions = batch["given"], batch["regions"]
        kinds = torch.full((len(given),), int(TokenKind.SPW), device=given.device)
        prompt = self.prompt_embedding(Prompt(batch["caption"], batch["pseudo_words"], kinds, batch["region"], given))
        places = Places(batch["codes"], batch["latent"], batch["received"], regions, batch["hci"])
        return prompt, limit_regions(given, regions, COARSE // BLOCK), self.refiner.places(places)

    @torch.inference_mode()
    def rebuild(self, one: dict[str, Tensor], seed: int) -> Tensor:
        """Return what the receiver makes of ``one`` in one step, ``[B, 3, H, W]``, clamped to 0 to 1."""
        start = one["start"]
        noise = torch.randn(start.shape, generator=torch.Generator().manual_seed(seed)).to(start.device)
        with autocast(start.device):
            refined = self.refiner.refine(start, noise, 1, *self.make_conditions(one))
        return refined.float().clamp(0, 1)


def places_of(codes: Tensor, restored: Tensor) -> Places:
    """Return ``Places`` of ``codes`` ``[B, H / 32, W / 32]`` alone, where the HCI was received whole."""
    batch, _, height, width = restored.shape
    device = restored.device
    quarter = height // BLOCK, width // BLOCK
    return Places(
        codes=codes,
        latent=torch.zeros(batch, LATENT_CHANNELS, height // COARSE, width // COARSE, device=device),
        received=torch.zeros(batch, LATENT_CHANNELS, device=device),
        regions=torch.zeros(batch, REGIONS_MAX, *quarter, device=device),
        hci=torch.ones(batch, 1, *quarter, device=device),
    )


def null_prompt(like: Tensor) -> tuple[Tensor, Tensor]:
    """Return the prompt without words ``[B, 1, 384]``, and that its one token acts everywhere ``[B, Q, 1]``."""
    batch, _, height, width = like.shape
    return (
        torch.zeros(batch, 1, TEXT_WIDTH, device=like.device),
        torch.ones(batch, height // COARSE * (width // COARSE), 1, device=like.device),
    )


def _distance(distance: Lpips | Dists, output: Tensor, target: Tensor) -> Tensor:
    with torch.no_grad():
        references = distance.features(target)
    return distance.distance(distance.features(output), references).mean()


class RefinerRecipe:
    """Crops of restored pictures and fallback images, each with a random subset of the streams."""

    name = "refiner"

    def __init__(
        self,
        pairs: RefinerPairs,
        held_out: RefinerPairs,
        refiner: Refiner,
        prompt_embedding: PromptEmbedding,
        weights: Weights,
    ) -> None:
        self.network: nn.Module = RefinerNetwork(refiner, prompt_embedding, weights)
        self._pairs, self._held_out = pairs, held_out

    def batch(self, rng: np.random.Generator, count: int, side: int) -> dict[str, Tensor]:
        """Draw ``count`` crops of ``side`` pixels with their streams, noise, times and a window."""
        crops = self._pairs.draw(rng, count, side)
        time = np.where(rng.random(count) < AT_START, 1.0, rng.uniform(0.2, 1.0, count))
        return {
            **crops,
            "time": torch.from_numpy(time.astype(np.float32)),
            "noise": torch.from_numpy(rng.standard_normal(crops["start"].shape, dtype="float32")),
            "corner": torch.from_numpy(rng.integers(max(1, side - WINDOW + 1), size=2)),
        }

    def validation(self, network: nn.Module) -> tuple[dict[str, float], Image.Image]:
        """Return the measures of some subsets of streams over held-out pairs, and a grid."""
        device = next(network.parameters()).device
        return validate(cast("RefinerNetwork", network).rebuild, self._held_out, device)


@torch.inference_mode()
def refine_crop(refiner: Refiner, restored: Tensor, codes: Tensor, seed: int, steps: int = 1) -> Tensor:
    """Return ``restored`` ``[B, 3, H, W]`` refined, clamped to 0 to 1; ``codes`` -1: not received."""
    noise = torch.randn(restored.shape, generator=torch.Generator().manual_seed(seed)).to(restored.device)
    prompt, allowed = null_prompt(restored)
    with autocast(restored.device):
        refined = refiner.refine(restored, noise, steps, prompt, allowed, refiner.places(places_of(codes, restored)))
    return refined.float().clamp(0, 1)
