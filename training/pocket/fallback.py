"""The recipe of the fallback synthesis: the mean of all pictures that agree with the streams, at a quarter of the size.

The loss is squared error alone, so that areas without information stay even; detail is added by the restorer. Every
stream is dropped from some crops.
Latent synthesis and token networks stay fixed; the network learns what the prompt adds to the picture of the latent
channels.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from receiver.pocket.conditioning import LATENT_FACTOR
from receiver.pocket.fallback import FallbackSynthesis, fallback_image
from receiver.pocket.prompt import Prompt
from receiver.pocket.sizes import RESTORER_SCALE
from receiver.pocket.synthesis import load_synthesis
from shared.latent.layout import CHANNEL_COUNTS, LATENT_CHANNELS
from shared.tokens.stream import TokenKind
from training.channel_dropout import draw_channel_mask
from training.pocket.stream_subsets import PSEUDO_WORD_COUNTS
from training.report import draw_grid

if TYPE_CHECKING:
    from PIL import Image

    from sender.extractors.token_network import TokenNetwork
    from training.pocket.precomputed import Precomputed

RSRT_SHARE = 0.5
"""Share of the crops whose tokens are RSRTs (reconstruction-aware semantic residual tokens); the others have SPWs."""
STREAMS = ("LATENT", "REGIONS", "CAPTION", "TOKENS")
"""Columns of ``given``."""
KEPT = (0.6, 0.5, 0.6, 0.5)
"""Share of the crops that have each stream."""
BY_RULE = 0.75
"""Share of the crops whose channels are those that the sender would choose; the others have random ones."""
VALIDATED_STREAMS: dict[str, tuple[int, ...]] = {
    "nothing": (0, 0, 0, 0),
    "prompt": (0, 1, 1, 1),
    "latent": (1, 0, 0, 0),
    "all": (1, 1, 1, 1),
}
VALIDATED_CHANNELS, VALIDATED_TOKENS = 4, 32
SHOWN = 6


class FallbackNetwork(nn.Module):
    """The fallback synthesis, the frozen networks around it, and its loss."""

    def __init__(self, fallback: FallbackSynthesis, tokens: dict[TokenKind, TokenNetwork]) -> None:
        super().__init__()
        self.fallback = fallback
        self.synthesis = load_synthesis()
        self.rsrt, self.spw = (
            tokens[kind].requires_grad_(requires_grad=False) for kind in (TokenKind.RSRT, TokenKind.SPW)
        )

    def forward(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return ``loss`` and ``psnr_db`` of one batch."""
        wanted = functional.avg_pool2d(batch["picture"], RESTORER_SCALE)
        error = (self.draw(batch) - wanted).square().mean((1, 2, 3))
        return {"loss": error.mean(), "psnr_db": (-10 * torch.log10(error)).mean()}

    def draw(self, batch: dict[str, Tensor]) -> Tensor:
        """Return what the receiver would make of ``batch``, ``[B, 3, 56, 56]``."""
        given = batch["given"]
        latent = batch["latent"].float() / LATENT_FACTOR
        kept = draw_channel_mask(latent, batch["picture"], batch) * given[:, :1]
        masks = batch["region_mask"] * given[:, 1, None, None, None]
        layout = self.fallback.lay_out_prompt(self._prompt(batch), masks, *latent.shape[2:])
        return fallback_image(self.synthesis, self.fallback, latent, kept, layout)

    def _prompt(self, batch: dict[str, Tensor]) -> Prompt:
        given, count = batch["given"], int(batch["tokens"])
        with torch.no_grad():
            residual = self.rsrt(batch["seen"], batch["seen_hci"], batch["caption"], batch["captioned"])[0]
            alone = self.spw(batch["seen"])[0]
        kinds = batch["kind"].long()
        codes = torch.where((kinds == TokenKind.RSRT)[:, None, None], residual, alone)[:, :count]
        named = batch["region_mask"].flatten(2).any(2).float()
        ones = torch.ones(len(given), count, device=given.device)
        there = [ones[:, :1], batch["captioned"] * given[:, 2:3], ones * given[:, 3:4], named * given[:, 1:2]]
        return Prompt(batch["caption"], codes, kinds, batch["region"], torch.cat(there, 1))


class FallbackRecipe:
    """Quarter-size pictures from all streams but the HCI."""

    name = "fallback"

    def __init__(
        self,
        precomputed: Precomputed,
        held_out: Precomputed,
        fallback: FallbackSynthesis,
        tokens: dict[TokenKind, TokenNetwork],
    ) -> None:
        self.network: nn.Module = FallbackNetwork(fallback, tokens)
        self._evidence, self._held_out = precomputed, held_out

    def batch(self, rng: np.random.Generator, count: int, side: int) -> dict[str, Tensor]:
        """Draw pairs and which streams, latent channels and tokens they have."""
        del side  # the fallback image is of whole crops
        rows = self._evidence.rows(np.sort(rng.integers(len(self._evidence), size=count)))
        return {
            **rows,
            "given": torch.from_numpy((rng.random((count, len(STREAMS))) < KEPT).astype(np.float32)),
            "dice": torch.from_numpy(rng.random((count, LATENT_CHANNELS), np.float32)),
            "count": torch.from_numpy(rng.choice(CHANNEL_COUNTS, count)),
            "by_rule": torch.from_numpy(rng.random(count) < BY_RULE),
            "kind": torch.from_numpy((rng.random(count) < RSRT_SHARE).astype(np.int64)),
            "tokens": torch.tensor(rng.choice(PSEUDO_WORD_COUNTS)),
        }

    def validation(self, network: nn.Module) -> tuple[dict[str, float], Image.Image]:
        """Return loss and PSNR over held-out pairs for some sets of streams, and grids of them and the originals."""
        network = cast("FallbackNetwork", network)
        device = next(network.parameters()).device
        rows = {name: part.to(device) for name, part in self._held_out.rows(np.arange(len(self._held_out))).items()}
        total = len(self._held_out)
        rows |= {
            "dice": torch.zeros(total, LATENT_CHANNELS, device=device),
            "count": torch.full((total,), VALIDATED_CHANNELS, device=device),
            "by_rule": torch.ones(total, dtype=torch.bool, device=device),
            "kind": torch.ones(total, device=device) * int(TokenKind.RSRT),
            "tokens": torch.tensor(VALIDATED_TOKENS),
        }
        measures: dict[str, float] = {}
        columns = []
        with torch.inference_mode():
            for name, streams in VALIDATED_STREAMS.items():
                given = torch.tensor([streams] * total, dtype=torch.float32, device=device)
                found = network({**rows, "given": given})
                measures |= {f"{key}_{name}": round(float(value), 5) for key, value in found.items()}
                columns.append(network.draw({**rows, "given": given})[:SHOWN].clamp(0, 1).cpu())
        measures["loss"] = round(
            sum(measures[f"loss_{name}"] for name in VALIDATED_STREAMS) / len(VALIDATED_STREAMS), 5
        )
        columns.append(functional.avg_pool2d(rows["picture"][:SHOWN], RESTORER_SCALE).cpu())
        return measures, draw_grid([torch.cat(columns, 3)])
