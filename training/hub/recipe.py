"""The recipe of one stage: batches and validation, for ``training.loop``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from receiver.hub.model import LATENT_SCALE
from receiver.hub.pipeline import HubPipeline
from shared.latent.layout import CHANNEL_COUNTS
from shared.tokens.stream import MIN_TOKENS, TokenKind
from training.loop import Plan
from training.report import draw_grid

if TYPE_CHECKING:
    from PIL import Image

    from training.hub.examples import Examples
    from training.hub.network import HubNetwork

PLANS: Final = {
    "control": Plan(steps=15_000, batch=4, side=256, rate=4e-5, sample_every=500),
    "tokens": Plan(steps=15_000, batch=4, side=256, rate=3e-4, sample_every=500),
    "joint": Plan(steps=10_000, batch=4, side=256, rate=1e-5, sample_every=500),
}
"""GSC trains its control branch for 15,000 steps at 4e-5; the other two follow what the pocket recipes needed."""
TOKEN_COUNTS: Final = (MIN_TOKENS, 16, 32, 64)
WITH_TOKENS: Final = {"control": 0.0, "tokens": 0.9, "joint": 0.7}
"""Share of the batches that have tokens."""
WITH_CAPTION: Final = 0.9
"""Share of the pictures that have their caption; without some that have none, guidance away from no words is lost."""
IN_USE: Final = 0.75
"""Share of the batches whose time is among those that the receiver's sampling passes, below its strength."""
VALIDATION_SHARES: Final = (0.1, 0.3, 0.7)
SHOWN: Final = 4


class HubRecipe:
    """One stage. ``side`` of a batch is that to which the crops are enlarged, a multiple of 64."""

    def __init__(self, stage: str, network: HubNetwork, examples: Examples, held_out: Examples, side: int) -> None:
        self.name = stage
        self.network: nn.Module = network
        self._network, self._examples, self._held_out, self._side = network, examples, held_out, side

    def batch(self, rng: np.random.Generator, count: int, side: int) -> dict[str, Tensor]:
        """Draw pictures, noise, one time, and which words and tokens they have: one kind and number for the batch."""
        strength = self._network.profile.strength
        with_tokens = bool(rng.random() < WITH_TOKENS[self.name])
        batch = self._load(self._examples, np.sort(rng.integers(len(self._examples), size=count)), side, rng)
        return {
            **batch,
            "share": torch.tensor(float(rng.uniform(0, strength if rng.random() < IN_USE else 1.0))),
            "kind": torch.tensor(int(rng.integers(len(TokenKind)))),
            "count": torch.tensor(int(rng.choice(TOKEN_COUNTS)) if with_tokens else 0),
            "channels": torch.tensor(int(rng.choice(CHANNEL_COUNTS))),
            "captioned": torch.from_numpy(rng.random(count) < WITH_CAPTION),
        }

    def validation(self, network: nn.Module) -> tuple[dict[str, float], Image.Image]:
        """Return the mean loss over held-out pictures at three times, and a grid: start, generated, original."""
        hub = cast("HubNetwork", network)
        losses, rows = [], []
        captions, hub.captions = hub.captions, self._held_out.captions
        device = next(hub.parameters()).device
        with torch.inference_mode():
            for row in range(len(self._held_out)):
                one = self._load_held_out(row)
                one = {name: value.to(device) for name, value in one.items()}
                losses += [float(hub({**one, "share": torch.tensor(share)})["loss"]) for share in VALIDATION_SHARES]
                if row < SHOWN:
                    pipeline = HubPipeline(hub.model, hub.profile, device)
                    made = pipeline.generate(one["start"], hub.make_conditions(one), [row], hub.profile.steps)
                    rows.append(torch.cat([one["start"], made, one["picture"]], 3).cpu())
        hub.captions = captions
        return {"loss": round(float(np.mean(losses)), 5)}, draw_grid([torch.cat(rows)])

    def _load_held_out(self, row: int) -> dict[str, Tensor]:
        batch = self._load(self._held_out, np.array([row]), self._side, np.random.default_rng(row))
        count = torch.tensor(MIN_TOKENS * 2 if WITH_TOKENS[self.name] else 0)
        return {
            **batch,
            "kind": torch.tensor(int(TokenKind.RSRT)),
            "count": count,
            "captioned": torch.tensor([True]),
            "channels": torch.tensor(CHANNEL_COUNTS[-1]),
        }

    def _load(
        self, examples: Examples, rows: np.ndarray[tuple[int], np.dtype[np.int64]], side: int, rng: np.random.Generator
    ) -> dict[str, Tensor]:
        channels = int(self._network.model.autoencoder.config.latent_channels)
        small = side // LATENT_SCALE
        noise = rng.standard_normal((len(rows), channels, small, small), dtype="float32")
        return {
            "picture": _enlarge(examples.pictures[rows], side),
            "start": _enlarge(examples.starts[rows], side),
            "codes": torch.from_numpy(np.array(examples.codes[rows])),
            "latents": torch.from_numpy(np.array(examples.latents[rows])),
            "best": torch.from_numpy(np.array(examples.best[rows])),
            "row": torch.from_numpy(rows),
            "noise": torch.from_numpy(noise),
        }


def _enlarge(pictures: np.ndarray[tuple[int, ...], np.dtype[np.uint8]], side: int) -> Tensor:
    """Return ``[B, 3, side, side]``, 0 to 1, of ``pictures`` ``[B, H, W, 3]``."""
    values = torch.from_numpy(np.array(pictures)).permute(0, 3, 1, 2).float() / 255
    return functional.interpolate(values, (side, side), mode="bicubic", antialias=True).clamp(0, 1)
