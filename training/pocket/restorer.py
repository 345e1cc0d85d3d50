"""The restorer's recipe: Real-ESRGAN's weights, tuned to the HCIs of the real codec."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from receiver.pocket.devices import autocast
from receiver.pocket.networks import RESTORER_NOISE
from training.pocket.losses import PictureLoss, Weights
from training.pocket.pairs import to_batch
from training.report import draw_grid

if TYPE_CHECKING:
    import numpy as np
    from PIL import Image

    from receiver.pocket.rrdbnet import RRDBNet
    from training.pocket.pairs import Pairs

SHOWN = 6


class RestorerNetwork(nn.Module):
    """The restorer and its loss."""

    def __init__(self, restorer: RRDBNet, weights: Weights) -> None:
        super().__init__()
        self.restorer = restorer.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # missing in torch's types
        self.loss = PictureLoss(weights)

    def forward(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return the measures of one batch; ``loss`` is the one to minimise."""
        output = self.restorer(batch["quarter"] + RESTORER_NOISE * batch["restorer_noise"]).float()
        measures = self.loss(output, batch["picture"])
        return {"loss": measures.pop("picture"), **measures}


def enlarge(quarter: Tensor) -> Tensor:
    """Return ``quarter`` ``[B, 3, h, w]`` at four times its size."""
    return functional.interpolate(quarter, scale_factor=4, mode="bicubic")


class RestorerRecipe:
    """Pixels and perceptual distances of the restored crop to the crop itself."""

    name = "restorer"

    def __init__(self, pairs: Pairs, held_out: Pairs, restorer: RRDBNet, weights: Weights) -> None:
        self.network: nn.Module = RestorerNetwork(restorer, weights)
        self._pairs = pairs
        self._held_out = to_batch((held_out.pictures[:], held_out.quarters[:]))

    def batch(self, rng: np.random.Generator, count: int, side: int) -> dict[str, Tensor]:
        """Draw ``count`` pairs of ``side`` pixels."""
        batch = to_batch(self._pairs.crops(rng, count, side))
        noise = rng.standard_normal(batch["quarter"].shape, dtype="float32")
        return {**batch, "restorer_noise": torch.from_numpy(noise)}

    def validation(self, network: nn.Module) -> tuple[dict[str, float], Image.Image]:
        """Return the measures over the held-out pairs, and some of them: HCI, restored, original."""
        network = cast("RestorerNetwork", network)
        device = next(network.parameters()).device
        sums: dict[str, float] = {}
        shown: list[Tensor] = []
        count = len(self._held_out["picture"])
        generator = torch.Generator().manual_seed(0)
        with torch.inference_mode():
            for index in range(count):
                one = {name: values[index : index + 1].to(device) for name, values in self._held_out.items()}
                with autocast(device):
                    noise = torch.randn(one["quarter"].shape, generator=generator).to(device)
                    output = network.restorer(one["quarter"] + RESTORER_NOISE * noise).float()
                    measures = network.loss(output.clamp(0, 1), one["picture"])
                for name, value in measures.items():
                    sums[name] = sums.get(name, 0.0) + float(value) / count
                if index < SHOWN:
                    shown.append(torch.cat([enlarge(one["quarter"]), output, one["picture"]], 3).cpu())
        return {name: round(value, 4) for name, value in sums.items()}, draw_grid([torch.cat(shown)])
