"""The factorised-prior codec that the analysis transform is trained in (Ballé et al. 2018), with channel dropout."""

from __future__ import annotations

from typing import TYPE_CHECKING

import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor, nn
from torch.nn import functional

from receiver.pocket.synthesis import LatentSynthesis, load_synthesis
from sender.extractors.latent import WEIGHTS_NAME, load_analysis
from sender.extractors.latent_network import Analysis
from shared.errors import SetupError
from shared.latent.layout import LATENT_CHANNELS
from training.channel_dropout import draw_channel_mask
from training.compressai_import import EntropyBottleneck
from training.latent.export import PRIOR_NAME

if TYPE_CHECKING:
    from pathlib import Path

MSE_PER_BIT = 60.0
"""Squared error (0..255) per pixel that one bit per sample of a channel must save: the slope of rate and distortion."""
PLANE_BITS, EXCESS_WEIGHT = 1.0, 5.0
"""Beyond this many bits per sample, a channel's bits cost more, by the square, so that none carries nearly all."""
LEAD_SHARES = (0.3, 0.05)
"""Shares of the first direction in the second channel and in the last, when training begins."""


class Codec(nn.Module):
    """Analysis, synthesis, prior; ``forward`` gives the losses of one batch."""

    def __init__(self) -> None:
        super().__init__()
        self.analysis, self.synthesis = Analysis(), LatentSynthesis()
        self.prior = EntropyBottleneck(LATENT_CHANNELS, init_scale=1)
        self.prior.quantiles.requires_grad_(requires_grad=False)  # for tables that are not used

    @torch.no_grad()
    def start(self, directions: Tensor, steps: Tensor) -> None:
        """Begin as a block transform along ``directions`` ``[32, 768]``, orthonormal, quantised in ``steps`` ``[32]``.

        Every channel but the first also gets a share of the first direction, less from channel to channel: alone it
        then shows something, and the sender's rule ranks channels of much energy first.
        """
        shares = torch.cat([torch.zeros(1), torch.linspace(*LEAD_SHARES, LATENT_CHANNELS - 1)])
        analysis = functional.normalize(directions + shares[:, None] * directions[:1], dim=1) / steps[:, None]
        self.analysis.blocks.weight.copy_(analysis[:, :, None, None])
        self.synthesis.blocks.weight.copy_(torch.linalg.pinv(analysis)[:, :, None, None])
        for conv in (self.analysis.blocks, self.synthesis.blocks, self.analysis.body[-1], self.synthesis.body[-2]):
            assert isinstance(conv, nn.Conv2d)
            assert conv.bias is not None
            conv.bias.zero_()
        for conv in (self.analysis.body[-1], self.synthesis.body[-2]):
            assert isinstance(conv, nn.Conv2d)
            conv.weight.mul_(0.1)

    def estimate_bits(self, values: Tensor) -> Tensor:
        """Return the estimated bits ``[B, 32]`` of channels ``[B, 32, h, w]`` under the factorised prior."""
        channels_first = values.transpose(0, 1)
        likelihood, _, _ = self.prior._likelihood(channels_first.reshape(LATENT_CHANNELS, 1, -1))  # noqa: SLF001 - noise is ours
        shares: Tensor = likelihood.clamp_min(1e-9).log2().view(channels_first.shape)
        return -shares.sum((2, 3)).T

    def forward(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return ``loss``, ``pixel`` (squared error), ``psnr_db`` and ``bits`` (per sample of a kept channel)."""
        picture = batch["picture"].permute(0, 3, 1, 2).float() / 255
        channels = self.analysis(picture).float()
        with torch.autocast(picture.device.type, enabled=False):
            kept = draw_channel_mask(channels.detach().round(), picture, batch)
            rates = self.estimate_bits(channels + batch["noise"].to(channels)) * kept / channels[0, 0].numel()
        whole = channels + (channels.round() - channels).detach()
        output = self.synthesis(whole * kept[:, :, None, None], kept).float()
        error = (output - picture).square().mean((1, 2, 3)) * 255**2
        charged = rates + EXCESS_WEIGHT * (rates - PLANE_BITS).clamp_min(0).square()
        return {
            "loss": (charged.sum(1) + error / MSE_PER_BIT).mean(),
            "pixel": error.mean(),
            "psnr_db": (10 * torch.log10(255**2 / error)).mean(),
            "bits": rates.sum() / kept.sum(),
        }


def load_shipped_codec(shipped: Path) -> Codec:
    """Return the codec whose weights ``export.save_halves`` wrote.

    Raises:
        SetupError: they are missing or damaged.
    """
    codec = Codec()
    try:
        codec.analysis = load_analysis(shipped / WEIGHTS_NAME).requires_grad_(requires_grad=True)
        codec.synthesis = load_synthesis(shipped).requires_grad_(requires_grad=True)
        codec.prior.load_state_dict(safetensors.torch.load_file(shipped / PRIOR_NAME), strict=False)
    except (SetupError, OSError, SafetensorError, RuntimeError) as error:
        raise SetupError(f"no codec in {shipped} to start from: train without --start") from error
    return codec
