"""The flow's recipe: from the restored HCI's latent to the picture's, first by flow matching, then end to end.

Rectified flow (Liu et al. 2022) between ``source`` = restored latent + sigma · noise and the picture's latent. Every
stream but the HCI is dropped from some crops, so that the flow works with any subset. The RSRTs' network
learns on the flow's own loss, as SDGIC describes. With ``end_to_end`` the few Euler steps that the receiver takes are
unrolled, and the decoded picture is compared with the original by the restorer's loss.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from receiver.pocket.devices import autocast
from receiver.pocket.flow import sample
from receiver.pocket.networks import PocketNetworks, control_image, from_latent, velocity
from receiver.pocket.prompt import Prompt
from shared.latent.layout import CHANNEL_COUNTS
from shared.tokens.stream import MIN_TOKENS, TokenKind
from training.pocket.losses import PictureLoss, Weights
from training.report import draw_grid

if TYPE_CHECKING:
    from PIL import Image

    from sender.extractors.token_network import TokenNetwork
    from training.pocket.precomputed import Precomputed

STREAMS = ("HCI", "LATENT", "REGIONS", "CAPTION", "TOKENS")
"""Columns of ``given``."""
KEPT = (1.0, 0.5, 0.6, 0.7, 0.7)
"""Share of the crops that have each stream. A fallback image replaces a lost HCI, so one of them is always there."""
TOKEN_COUNTS = (MIN_TOKENS, 16, 32, 64)
RSRT_SHARE = 0.6
AT_SOURCE = 0.4
"""Share of the crops whose time is 1, where every sampling starts."""
STEPS, STEP_SHARES = (1, 2, 4), (0.6, 0.25, 0.15)
WINDOW = 14
"""Side, in latent positions, of the part of a crop that is decoded and compared, which costs most: 112 pixels."""
SHOWN = 6


class FlowNetwork(nn.Module):
    """Flow, ControlNet, prompt embedding and the RSRTs' network, the frozen networks around them, and their losses."""

    def __init__(
        self,
        networks: PocketNetworks,
        tokens: dict[TokenKind, TokenNetwork],
        weights: Weights,
        *,
        end_to_end: bool,
    ) -> None:
        super().__init__()
        self.unet, self.controlnet, self.prompt_embedding = (
            networks.unet,
            networks.controlnet,
            networks.prompt_embedding,
        )
        self.rsrt = tokens[TokenKind.RSRT]
        self.spw = tokens[TokenKind.SPW].requires_grad_(requires_grad=False)
        self.autoencoder = networks.autoencoder.requires_grad_(requires_grad=False)
        self.restorer = networks.restorer.requires_grad_(requires_grad=False)
        self.fallback, self.synthesis = networks.fallback.requires_grad_(requires_grad=False), networks.synthesis
        self.sigma, self.end_to_end = networks.sigma, end_to_end
        if end_to_end:
            self.loss = PictureLoss(weights)
        for network in (self.unet, self.controlnet, self.autoencoder):
            network.to(memory_format=torch.channels_last)

    def networks(self) -> PocketNetworks:
        """Return the decoder's networks, as the receiver uses them."""
        return PocketNetworks(
            self.restorer,
            self.autoencoder,
            self.unet,
            self.controlnet,
            self.prompt_embedding,
            self.fallback,
            self.synthesis,
            self.sigma,
        )

    def forward(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return the measures of one batch; ``loss`` is the one to minimise."""
        start, end = batch["start"], batch["end"]
        source = start + self.sigma * batch["noise"]
        conditions = self.make_conditions(batch)
        if self.end_to_end:
            # The picture's loss replaces the flow's, which would pull a single step towards the mean picture.
            return self._unroll_steps(batch, source, conditions)
        time = batch["time"].view(-1, 1, 1, 1)
        found = self._velocity((1 - time) * end + time * source, batch["time"], conditions)
        flow = (found - (source - end)).square().mean()
        return {"loss": flow}

    def _unroll_steps(
        self, batch: dict[str, Tensor], source: Tensor, conditions: tuple[Tensor, ...]
    ) -> dict[str, Tensor]:
        """Return the measures of the picture after a few steps from ``source``, on a window of it."""
        latent = self.sample_latent(source, conditions, int(batch["steps"]))
        top, left = batch["corner"].tolist()
        latent, before = (_crop_window(part, top, left, WINDOW) for part in (latent, batch["start"]))
        restored, wanted = (
            _crop_window(batch[name], 8 * top, 8 * left, 8 * WINDOW) for name in ("restored", "picture")
        )
        measures = self.loss(self._decode_picture(latent, before, restored), wanted)
        return {"loss": measures.pop("picture"), **measures}

    def make_conditions(self, batch: dict[str, Tensor]) -> tuple[Tensor, ...]:
        """Return words ``[B, T, 384]``, which of them are given ``[B, T]``, and the ControlNet's input."""
        given = batch["given"]
        count = int(batch["count"])
        caption = batch["caption"], batch["captioned"]
        residual = self.rsrt(batch["seen"], batch["seen_hci"], *caption)[0]
        with torch.no_grad():
            alone = self.spw(batch["seen"])[0]
        kinds = batch["kind"].long()
        codes = torch.where((kinds == TokenKind.RSRT)[:, None, None], residual, alone)[:, :count]
        named = batch["region_mask"].flatten(2).any(2).float()
        ones = torch.ones(len(given), count, device=given.device)
        there = torch.cat(
            [ones[:, :1], batch["captioned"] * given[:, 3:4], ones * given[:, 4:5], named * given[:, 2:3]], 1
        )
        words = self.prompt_embedding(Prompt(batch["caption"], codes, kinds, batch["region"], there))
        height, width = batch["start"].shape[2:]
        latent = functional.interpolate(batch["latent"] * batch["channel_mask"][:, :, None, None], (height, width))
        masks = functional.interpolate(batch["region_mask"], (height, width))
        return words, there, control_image(batch["start"], latent, masks, given[:, :3])

    def sample_latent(self, source: Tensor, conditions: tuple[Tensor, ...], steps: int) -> Tensor:
        """Return the latent that the receiver's ``steps`` Euler steps make of ``source``."""
        return sample(lambda latent, time: self._velocity(latent, time, conditions), source, steps)

    def _velocity(self, latent: Tensor, time: Tensor, conditions: tuple[Tensor, ...]) -> Tensor:
        words, given, control = conditions
        return velocity(self.networks(), latent, time, words, given, control).float()

    def _decode_picture(self, latent: Tensor, start: Tensor, restored: Tensor) -> Tensor:
        with torch.no_grad():
            before = from_latent(self.autoencoder, start).float()
        return restored + from_latent(self.autoencoder, latent).float() - before

    @torch.inference_mode()
    def rebuild(self, batch: dict[str, Tensor], steps: int) -> Tensor:
        """Return the pictures ``[B, 3, H, W]`` that the receiver would rebuild from what ``batch`` gives."""
        source = batch["start"] + self.sigma * batch["noise"]
        latent = self.sample_latent(source, self.make_conditions(batch), steps)
        return self._decode_picture(latent, batch["start"], batch["restored"])


class FlowRecipe:
    """Rectified flow on latents, then the few-step result end to end."""

    name = "flow"

    def __init__(
        self,
        precomputed: Precomputed,
        held_out: Precomputed,
        networks: PocketNetworks,
        tokens: dict[TokenKind, TokenNetwork],
        weights: Weights,
        *,
        end_to_end: bool,
    ) -> None:
        self.network: nn.Module = FlowNetwork(networks, tokens, weights, end_to_end=end_to_end)
        self._validation_loss = PictureLoss(replace(weights, adversarial=0.0))
        self._evidence = precomputed
        self._held_out = held_out

    def batch(self, rng: np.random.Generator, count: int, side: int) -> dict[str, Tensor]:
        """Draw pairs, noise, times, which streams they have (the first: all), and the number of steps and tokens."""
        del side  # latents are those of whole crops
        rows = self._evidence.rows(np.sort(rng.integers(len(self._evidence), size=count)))
        time = np.where(rng.random(count) < AT_SOURCE, 1.0, 1 - rng.random(count))
        given = rng.random((count, len(STREAMS))) < KEPT
        given[0] = True
        return {
            **rows,
            "channel_mask": _draw_channel_mask(rng, count, rows["latent"].shape[1]),
            "noise": torch.from_numpy(rng.standard_normal(rows["start"].shape, dtype="float32")),
            "time": torch.from_numpy(time).float(),
            "given": torch.from_numpy(given).float(),
            "kind": torch.from_numpy((rng.random(count) < RSRT_SHARE).astype(np.int64)),
            "count": torch.tensor(rng.choice(TOKEN_COUNTS)),
            "steps": torch.tensor(rng.choice(STEPS, p=STEP_SHARES)),
            "corner": torch.from_numpy(rng.integers(max(1, rows["start"].shape[-1] - WINDOW + 1), size=2)),
        }

    def validation(self, network: nn.Module) -> tuple[dict[str, float], Image.Image]:
        """Return the measures over held-out pairs with one step, and grids: restored, from the HCI, from all, original.

        ``bare_`` measures are those with the HCI alone, ``restored_`` those without the flow.
        """
        network = cast("FlowNetwork", network)
        device = next(network.parameters()).device
        validation_loss = self._validation_loss.to(device)
        sums: dict[str, float] = {}
        shown: list[Tensor] = []
        count = len(self._held_out)
        for index in range(count):
            one = {name: value.to(device) for name, value in self._load_held_out(index).items()}
            bare = {**one, "given": torch.tensor([[1.0, 0, 0, 0, 0]], device=device)}
            pictures = {"restored_": one["restored"]}
            with torch.inference_mode(), autocast(device):
                pictures["bare_"] = network.rebuild(bare, 1).clamp(0, 1)
                pictures[""] = network.rebuild(one, 1).clamp(0, 1)
                for prefix, picture in pictures.items():
                    for name, value in validation_loss(picture, one["picture"]).items():
                        sums[prefix + name] = sums.get(prefix + name, 0.0) + float(value) / count
            if index < SHOWN:
                shown.append(torch.cat([*pictures.values(), one["picture"]], 3).cpu())
        return {name: round(value, 4) for name, value in sums.items()}, draw_grid([torch.cat(shown)])

    def _load_held_out(self, index: int) -> dict[str, Tensor]:
        rng = np.random.default_rng(index)
        rows = self._held_out.rows(np.array([index]))
        return {
            **rows,
            "channel_mask": _draw_channel_mask(rng, 1, rows["latent"].shape[1]),
            "noise": torch.from_numpy(rng.standard_normal(rows["start"].shape, dtype="float32")),
            "given": torch.ones(1, len(STREAMS)),
            "kind": torch.tensor([int(TokenKind.RSRT)]),
            "count": torch.tensor(32),
        }


def _crop_window(maps: Tensor, top: int, left: int, side: int) -> Tensor:
    return maps[:, :, top : top + side, left : left + side]


def _draw_channel_mask(rng: np.random.Generator, count: int, of: int) -> Tensor:
    """Return ``[count, of]``: 1 for the latent channels that were sent, a random choice of 1 to 16."""
    chosen = np.zeros((count, of), np.float32)
    for row in chosen:
        row[rng.permutation(of)[: rng.choice(CHANNEL_COUNTS)]] = 1
    return torch.from_numpy(chosen)
