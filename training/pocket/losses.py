"""What the recipes minimise: pixels, and features of VGG16 and of two EfficientNets in the forms of LPIPS and DISTS."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from receiver.metrics.distances import dists_form, lpips_form
from receiver.metrics.efficientnet import efficientnet_lite
from receiver.metrics.vgg import vgg_features
from training.pocket.critic import Critic

SIBLINGS = (1, 2)
"""The EfficientNet-Lites that are trained on; Lite0 is the evaluation's judge and stays unseen."""


@dataclass(frozen=True)
class Weights:
    """Of the terms of a picture loss; ``lite`` is that of LPIPS' form on EfficientNet-Lite1 and 2."""

    pixel: float = 1.0
    lpips: float = 0.3
    dists: float = 1.0
    lite: float = 0.0
    adversarial: float = 0.0


class PictureLoss(nn.Module):
    """Mean absolute error, LPIPS form and DISTS form, weighted and summed; with an adversary if it has a weight."""

    def __init__(self, weights: Weights) -> None:
        super().__init__()
        self.weights = weights
        self.vgg = vgg_features()
        self.siblings = nn.ModuleList(efficientnet_lite(number) for number in SIBLINGS) if weights.lite else None
        self.critic = Critic() if weights.adversarial else None

    def forward(self, output: Tensor, target: Tensor) -> dict[str, Tensor]:
        """Return the terms and their weighted sum ``picture`` for ``[B, 3, H, W]`` pictures, 0 to 1; scalars.

        With an adversary, ``made_up`` is what it holds against the pictures, and the sum contains its own loss too.
        """
        pixel = (output - target).abs().mean()
        with torch.no_grad():
            references = [target, *self.vgg(target)]
        maps = [output, *self.vgg(output)]
        lpips = lpips_form(maps[1:], references[1:]).mean()
        dists = dists_form(maps, references).mean()
        total = self.weights.pixel * pixel + self.weights.lpips * lpips + self.weights.dists * dists
        measures = {"pixel": pixel, "lpips": lpips, "dists": dists, "psnr_db": psnr_db(output, target)}
        if self.siblings is not None:
            lite = self._lite(output, target)
            total = total + self.weights.lite * lite
            measures["lite"] = lite
        if self.critic is not None:
            made_up, own = self.critic.losses(maps[1:], references[1:])
            total = total + self.weights.adversarial * made_up + own
            measures |= {"made_up": made_up, "critic": own}
        return {"picture": total, **measures}

    def _lite(self, output: Tensor, target: Tensor) -> Tensor:
        """Return LPIPS' form on the judge's siblings. VGG16 alone is easily pleased by what no other network likes."""
        distances = []
        for network in self.siblings or ():
            with torch.no_grad():
                references = network(target)
            distances.append(lpips_form(network(output), references).mean())
        return torch.stack(distances).mean()


def psnr_db(output: Tensor, target: Tensor) -> Tensor:
    """Return the mean PSNR in dB of ``[B, 3, H, W]`` pictures, 0 to 1."""
    mse = (output.detach().float().clamp(0, 1) - target.float()).square().mean((1, 2, 3))
    return (-10 * torch.log10(mse.clamp_min(1e-10))).mean()
