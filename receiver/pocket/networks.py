"""The decoder's networks, as diffusers classes, and the layout of what they are given."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch.nn import functional

from receiver.pocket.diffusers_import import AutoencoderDC, ControlNetModel, UNet2DConditionModel
from shared.latent.layout import LATENT_CHANNELS
from shared.regions.region import REGIONS_MAX
from shared.text import TEXT_WIDTH

if TYPE_CHECKING:
    from torch import Tensor

    from receiver.pocket.rrdbnet import RRDBNet
    from receiver.pocket.sketch import Sketch
    from receiver.pocket.synthesis import Synthesis
    from receiver.pocket.words import Words

AUTOENCODER_CHANNELS = 16
MASKS = ("HCI", "LATENT", "REGIONS")
"""Streams that have an availability mask: 1 where the stream is there, 0 where it is lost."""
CONTROL_CHANNELS = AUTOENCODER_CHANNELS + LATENT_CHANNELS + REGIONS_MAX + len(MASKS)
RESTORER_NOISE = 0.01
"""Standard deviation of the noise added to the restorer's input, 0 to 1, of which it makes texture.

Without it, the only texture that a convolutional network can paint on an even area is a grid.
"""
WIDTHS = (96, 128, 192)
"""Of the flow's levels, at 1/8, 1/16 and 1/32 of the picture."""
LATENT_MULTIPLE = 4
"""Latent sides must be multiples of this, so that the flow can halve them twice."""
TIMESTEPS = 1000
"""The flow's time 0..1 is given to the networks as 0..1000, as diffusers' flow-matching schedulers do."""


@dataclass(frozen=True)
class PocketNetworks:
    """All networks of one decoder. ``sigma`` is the noise added to the restored latent, where the flow starts."""

    restorer: RRDBNet
    autoencoder: AutoencoderDC
    unet: UNet2DConditionModel
    controlnet: ControlNetModel
    words: Words
    sketch: Sketch
    synthesis: Synthesis
    sigma: float


def new_autoencoder() -> AutoencoderDC:
    """Return an untrained autoencoder, eight times down, that does nothing at full size.

    AutoencoderDC (Chen et al. 2024) moves pixels into channels with shortcuts past every block, and no norm of it looks
    beyond one position, so that tiles agree. Why not AutoencoderTiny: docs/decoder.md.
    """
    widths, layers, none = (64, 64, 128, 128), (0, 2, 2, 3), ((),) * 4
    return AutoencoderDC(
        latent_channels=AUTOENCODER_CHANNELS,
        encoder_block_out_channels=widths,
        decoder_block_out_channels=widths,
        encoder_layers_per_block=layers,
        decoder_layers_per_block=layers,
        encoder_qkv_multiscales=none,
        decoder_qkv_multiscales=none,
    )


def new_unet(widths: tuple[int, int, int] = WIDTHS) -> UNet2DConditionModel:
    """Return an untrained flow network: latent in, velocity out. ``widths`` are multiples of 32."""
    return UNet2DConditionModel(
        in_channels=AUTOENCODER_CHANNELS,
        out_channels=AUTOENCODER_CHANNELS,
        block_out_channels=widths,
        layers_per_block=1,
        down_block_types=("DownBlock2D", "DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D", "UpBlock2D"),
        cross_attention_dim=TEXT_WIDTH,
        attention_head_dim=32,
        norm_num_groups=16,
    )


def new_controlnet(unet: UNet2DConditionModel) -> ControlNetModel:
    """Return a ControlNet for ``unet`` that starts as its encoder, with outputs at zero."""
    controlnet: ControlNetModel = ControlNetModel.from_unet(
        unet,
        conditioning_embedding_out_channels=(unet.config.block_out_channels[0],),
        conditioning_channels=CONTROL_CHANNELS,
    )
    return controlnet


def encoded(autoencoder: AutoencoderDC, picture: Tensor) -> Tensor:
    """Return the latent ``[B, 16, H / 8, W / 8]``, of about unit variance, of ``picture`` ``[B, 3, H, W]``, 0 to 1."""
    latent: Tensor = autoencoder.encode(picture * 2 - 1).latent * autoencoder.config.scaling_factor
    return latent


def decoded(autoencoder: AutoencoderDC, latent: Tensor) -> Tensor:
    """Return the picture ``[B, 3, H, W]``, 0 to 1 (not clamped), of ``latent`` ``[B, 16, H / 8, W / 8]``."""
    picture: Tensor = autoencoder.decode(latent / autoencoder.config.scaling_factor).sample
    return (picture + 1) / 2


def control_image(hci_latent: Tensor, planes: Tensor, regions: Tensor, given: Tensor) -> Tensor:
    """Return the ControlNet's input ``[B, 54, h, w]``.

    ``hci_latent`` ``[B, 16, h, w]`` is the restored HCI's, ``planes`` ``[B, 32, h, w]`` the latent stream's and
    ``regions`` ``[B, 3, h, w]`` the regions' masks; ``given`` ``[B, 3]`` is 0 for those that a picture lacks.
    """
    there = given[:, :, None, None].to(hci_latent.dtype)
    parts = [part * there[:, index : index + 1] for index, part in enumerate((hci_latent, planes, regions))]
    return torch.cat([*parts, there.expand(-1, -1, *hci_latent.shape[2:])], 1)


def reach_of(given: Tensor, control: Tensor) -> Tensor:
    """Return ``[B, Q, T]``: 1 where position q of the attention, at 1/32 of the picture, may look at word t.

    ``given`` ``[B, T]`` is the prompt's. A region's word acts where its mask in ``control`` covers half of a position;
    all others act everywhere.
    """
    first = AUTOENCODER_CHANNELS + LATENT_CHANNELS
    covered = functional.avg_pool2d(control[:, first : first + REGIONS_MAX].float(), LATENT_MULTIPLE) >= 0.5
    inside = covered.flatten(2).transpose(1, 2).to(given.dtype)
    everywhere = given[:, None].expand(-1, inside.shape[1], -1)
    return torch.cat([everywhere[..., :-REGIONS_MAX], everywhere[..., -REGIONS_MAX:] * inside], 2)


def velocity(
    networks: PocketNetworks, latent: Tensor, time: Tensor, words: Tensor, given: Tensor, control: Tensor
) -> Tensor:
    """Return the velocity (source - picture) ``[B, 16, h, w]`` at ``time`` ``[B]``: 1 at the source, 0 at the end.

    ``words`` ``[B, T, 384]`` and ``given`` ``[B, T]`` are a prompt's, ``control`` as ``control_image`` makes it.
    Two paths: words reach the flow by attention alone, what has a place in the picture by the ControlNet alone.
    """
    step = time * TIMESTEPS
    down, middle = networks.controlnet(
        latent, step, encoder_hidden_states=torch.zeros_like(words[:, :1]), controlnet_cond=control, return_dict=False
    )
    result: Tensor = networks.unet(
        latent,
        step,
        encoder_hidden_states=words,
        encoder_attention_mask=reach_of(given.to(latent.dtype), control),
        down_block_additional_residuals=down,
        mid_block_additional_residual=middle,
        return_dict=False,
    )[0]
    return result
