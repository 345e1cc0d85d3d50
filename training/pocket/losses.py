"""What the recipes minimise: pixels, the published perceptual distances, and an adversary."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import torch
from torch import Tensor, nn

from receiver.metrics.names import PERCEPTUAL
from receiver.metrics.perceptual import load_distance, load_vgg16
from training.pocket.critic import Critic

if TYPE_CHECKING:
    from receiver.metrics.perceptual import Dists, Lpips


@dataclass(frozen=True)
class Weights:
    """Weights of the terms of a picture loss. A distance of weight 0 is not computed.

    ``pixel`` weighs the mean absolute error; ``lpips_alex``, ``lpips_vgg`` and ``dists`` the distances of those names.
    """

    pixel: float = 1.0
    lpips_alex: float = 0.5
    lpips_vgg: float = 0.5
    dists: float = 0.0
    adversarial: float = 0.0


class PictureLoss(nn.Module):
    """The weighted sum of mean absolute error and perceptual distances; with an adversary if it has a weight."""

    def __init__(self, weights: Weights) -> None:
        super().__init__()
        self.weights = weights
        vgg16 = functools.cache(load_vgg16)
        self.distances = nn.ModuleDict({name: load_distance(name, vgg16) for name in PERCEPTUAL if self._wants(name)})
        self.critic = Critic() if weights.adversarial else None

    def forward(self, output: Tensor, target: Tensor) -> dict[str, Tensor]:
        """Return the terms and their weighted sum ``picture`` for ``[B, 3, H, W]`` pictures, 0 to 1; scalars.

        With an adversary, ``made_up`` is the adversarial loss of the pictures; the sum also contains the
        loss of the adversary.
        """
        pixel = (output - target).abs().mean()
        terms = self.compute_terms(output, target)
        total = self.weights.pixel * pixel + self.weigh(terms)
        return {"picture": total, "pixel": pixel, **terms, "psnr_db": psnr_db(output, target)}

    def compute_terms(self, output: Tensor, target: Tensor) -> dict[str, Tensor]:
        """Return the terms that need networks: mean distances, and with an adversary ``made_up`` and ``critic``."""
        found: dict[str, Tensor] = {}
        for name, module in self.distances.items():
            distance = cast("Lpips | Dists", module)
            with torch.no_grad():
                references = distance.features(target)
            maps = distance.features(output)
            found[name] = distance.distance(maps, references).mean()
            if name == "dists" and self.critic is not None:  # its VGG16 maps follow the picture itself
                found["made_up"], found["critic"] = self.critic.losses(maps[1:], references[1:])
        return found

    def weigh(self, terms: dict[str, Tensor]) -> Tensor:
        """Return the weighted sum of ``terms``."""
        weights = {"made_up": self.weights.adversarial, "critic": 1.0}
        weights |= {name: getattr(self.weights, name) for name in PERCEPTUAL}
        return torch.stack([weights[name] * value for name, value in terms.items()]).sum()

    def _wants(self, name: str) -> bool:
        return bool(getattr(self.weights, name)) or (name == "dists" and bool(self.weights.adversarial))


def psnr_db(output: Tensor, target: Tensor) -> Tensor:
    """Return the mean PSNR in dB of ``[B, 3, H, W]`` pictures, 0 to 1."""
    mse = (output.detach().float().clamp(0, 1) - target.float()).square().mean((1, 2, 3))
    return (-10 * torch.log10(mse.clamp_min(1e-10))).mean()
