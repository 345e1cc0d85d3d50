"""The flow's recipe: from the restored HCI's latent to the picture's, first by flow matching, then end to end.

Rectified flow (Liu et al. 2022) between ``source`` = restored latent + sigma · noise (noise alone where the HCI is
dropped) and the picture's latent. With ``end_to_end`` the few Euler steps that the receiver takes are unrolled, and the
decoded picture is compared with the original as the restorer's was.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, cast

import numpy as np
import torch
from torch import Tensor, nn

from receiver.pocket.flow import sample
from receiver.pocket.networks import (
    RESTORER_NOISE,
    PocketNetworks,
    control_image,
    decoded,
    encoded,
    null_text,
    velocity,
)
from training.pocket.losses import PictureLoss, Weights, psnr_db
from training.pocket.pairs import batch_of
from training.pocket.report import grid_of
from training.pocket.restorer import enlarged

if TYPE_CHECKING:
    from PIL import Image

    from training.pocket.pairs import Pairs

HCI_DROPPED = 0.1
"""Share of the crops that have to do without their HCI."""
AT_SOURCE = 0.4
"""Share of the crops whose time is 1, where every sampling starts."""
STEPS, STEP_SHARES = (1, 2, 4), (0.6, 0.25, 0.15)
FLOW_WEIGHT = 0.1
"""Of flow matching without an HCI, while the few-step result with one is tuned end to end."""
CEILING_WEIGHT = 0.5
"""Of the autoencoder's own error while its decoder is tuned, so that it stays an autoencoder."""
SHOWN = 6


class FlowNetwork(nn.Module):
    """Flow and ControlNet, what is frozen around them, and their losses."""

    def __init__(self, networks: PocketNetworks, weights: Weights, *, end_to_end: bool) -> None:
        super().__init__()
        self.unet, self.controlnet = networks.unet, networks.controlnet
        self.autoencoder = networks.autoencoder.requires_grad_(requires_grad=False)
        self.restorer = networks.restorer.requires_grad_(requires_grad=False)
        self.sigma, self.end_to_end = networks.sigma, end_to_end
        if end_to_end:
            self.autoencoder.decoder.requires_grad_(requires_grad=True)
            self.loss = PictureLoss(weights)
        for network in (self.unet, self.controlnet, self.autoencoder, self.restorer):
            network.to(memory_format=torch.channels_last)

    def networks(self) -> PocketNetworks:
        """Return the decoder's networks, as the receiver uses them."""
        return PocketNetworks(self.restorer, self.autoencoder, self.unet, self.controlnet, self.sigma)

    def forward(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return the measures of one batch; ``loss`` is the one to minimise."""
        with torch.no_grad():
            restored = self.restorer(batch["quarter"] + RESTORER_NOISE * batch["restorer_noise"]).float().clamp(0, 1)
            start = encoded(self.autoencoder, restored).float()
            end = encoded(self.autoencoder, batch["picture"]).float()
        present = batch["present"].view(-1, 1, 1, 1)
        source = present * (start + self.sigma * batch["noise"]) + (1 - present) * batch["noise"]
        control = present * control_image(start, (len(start), *start.shape[2:]), start)
        time = batch["time"].view(-1, 1, 1, 1)
        found = self._velocity((1 - time) * end + time * source, batch["time"], control)
        errors = (found - (source - end)).square().mean((1, 2, 3))
        # End to end, the pictures' own loss stands in for the flow's, which would pull one step towards their mean.
        counted = 1 - batch["present"] if self.end_to_end else torch.ones_like(errors)
        flow = (errors * counted).sum() / counted.sum().clamp_min(1)
        measures = {"loss": flow, "flow": flow}
        if self.end_to_end:
            kept = batch["present"] > 0
            latent = self.sampled(source[kept], control[kept], int(batch["steps"]))
            picture = self._picture(latent, start[kept], restored[kept])
            measures |= self.loss(picture, batch["picture"][kept])
            ceiling = (decoded(self.autoencoder, end) - batch["picture"]).abs().mean()
            measures["ceiling"] = ceiling
            measures["loss"] = measures.pop("picture") + FLOW_WEIGHT * flow + CEILING_WEIGHT * ceiling
        return measures

    def sampled(self, source: Tensor, control: Tensor, steps: int) -> Tensor:
        """Return the latent that the receiver's ``steps`` Euler steps make of ``source``."""
        return sample(lambda latent, time: self._velocity(latent, time, control), source, steps)

    def _velocity(self, latent: Tensor, time: Tensor, control: Tensor) -> Tensor:
        return velocity(self.networks(), latent, time, null_text(len(latent), latent), control).float()

    def _picture(self, latent: Tensor, start: Tensor, restored: Tensor) -> Tensor:
        after, before = decoded(self.autoencoder, torch.cat([latent, start])).float().chunk(2)
        return restored + after - before

    @torch.inference_mode()
    def rebuilt(self, restored: Tensor, noise: Tensor, steps: int) -> Tensor:
        """Return the pictures ``[B, 3, H, W]`` that the receiver would rebuild from ``restored``."""
        start = encoded(self.autoencoder, restored).float()
        control = control_image(start, (len(start), *start.shape[2:]), start)
        return self._picture(self.sampled(start + self.sigma * noise, control, steps), start, restored)


class FlowRecipe:
    """Rectified flow on latents, then the few-step result end to end."""

    name = "flow"

    def __init__(
        self, pairs: Pairs, held_out: Pairs, networks: PocketNetworks, weights: Weights, *, end_to_end: bool
    ) -> None:
        self.network: nn.Module = FlowNetwork(networks, weights, end_to_end=end_to_end)
        self._judge = PictureLoss(replace(weights, adversarial=0.0))
        self._pairs = pairs
        self._held_out = batch_of((held_out.pictures[:], held_out.quarters[:]))

    def batch(self, rng: np.random.Generator, count: int, side: int) -> dict[str, Tensor]:
        """Draw crops, noise, times, which HCIs are dropped (never the first), and the number of steps."""
        channels = cast("FlowNetwork", self.network).autoencoder.config.latent_channels
        noise = rng.standard_normal((count, channels, side // 8, side // 8), dtype="float32")
        time = np.where(rng.random(count) < AT_SOURCE, 1.0, 1 - rng.random(count))
        present = np.append(1.0, (rng.random(count - 1) >= HCI_DROPPED).astype(float))
        batch = batch_of(self._pairs.crops(rng, count, side))
        restorer_noise = rng.standard_normal(batch["quarter"].shape, dtype="float32")
        return {
            **batch,
            "restorer_noise": torch.from_numpy(restorer_noise),
            "noise": torch.from_numpy(noise),
            "time": torch.from_numpy(time).float(),
            "present": torch.from_numpy(present).float(),
            "steps": torch.tensor(rng.choice(STEPS, p=STEP_SHARES)),
        }

    def validation(self, network: nn.Module) -> tuple[dict[str, float], Image.Image]:
        """Return the measures over held-out pairs with one step, and grids: HCI, restored, rebuilt, original."""
        network = cast("FlowNetwork", network)
        device = next(network.parameters()).device
        judge = self._judge.to(device)
        generator = torch.Generator().manual_seed(0)
        sums: dict[str, float] = {}
        shown: list[Tensor] = []
        count = len(self._held_out["picture"])
        for index in range(count):
            one = {name: values[index : index + 1].to(device) for name, values in self._held_out.items()}
            height, width = one["picture"].shape[2:]
            shape = (1, network.autoencoder.config.latent_channels, height // 8, width // 8)
            noise = torch.randn(shape, generator=generator).to(device)
            with torch.inference_mode(), torch.autocast(device.type, torch.bfloat16):
                quarter_noise = torch.randn(one["quarter"].shape, generator=generator).to(device)
                restored = network.restorer(one["quarter"] + RESTORER_NOISE * quarter_noise).float().clamp(0, 1)
                output = network.rebuilt(restored, noise, 1).clamp(0, 1)
                measures = judge(output, one["picture"])
                measures["restored_psnr_db"] = psnr_db(restored, one["picture"])
                measures["restored_picture"] = judge(restored, one["picture"])["picture"]
            for name, value in measures.items():
                sums[name] = sums.get(name, 0.0) + float(value) / count
            if index < SHOWN:
                shown.append(torch.cat([enlarged(one["quarter"]), restored, output, one["picture"]], 3).cpu())
        return {name: round(value, 4) for name, value in sums.items()}, grid_of([torch.cat(shown)])
