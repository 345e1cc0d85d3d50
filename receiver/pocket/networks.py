"""The decoder's networks as diffusers classes, and the layout of their inputs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from receiver.pocket.prompt import limit_regions
from shared.latent.layout import LATENT_CHANNELS
from shared.regions.region import REGIONS_MAX
from shared.text import TEXT_WIDTH

if TYPE_CHECKING:
    from torch import Tensor

    from receiver.pocket.diffusers_import import AutoencoderDC, ControlNetModel, UNet2DConditionModel
    from receiver.pocket.fallback import FallbackSynthesis
    from receiver.pocket.prompt import PromptEmbedding
    from receiver.pocket.rrdbnet import RRDBNet
    from receiver.pocket.synthesis import LatentSynthesis

AUTOENCODER_CHANNELS = 16
MASKS = ("HCI", "LATENT", "REGIONS")
"""Streams with an availability mask: 1 if the stream was received, 0 if it was lost."""
CONTROL_CHANNELS = AUTOENCODER_CHANNELS + LATENT_CHANNELS + REGIONS_MAX + len(MASKS)
RESTORER_NOISE = 0.01
"""Standard deviation of the noise on the restorer's input (0 to 1); the restorer turns the noise into texture.

Without it, the only texture that a convolutional network can give an even area is a grid.
"""
WIDTHS = (96, 128, 192)
"""Channels of the flow's levels at 1/8, 1/16 and 1/32 of the picture's size."""
LATENT_MULTIPLE = 4
"""The sides of the latent must be multiples of this, because the flow halves them twice."""
TIMESTEPS = 1000
"""The networks take the flow's time 0 to 1 as 0 to 1000, like the flow-matching schedulers of diffusers."""


@dataclass(frozen=True)
class PocketNetworks:
    """All networks of one decoder.

    ``sigma`` is the standard deviation of the noise that is added to the restored latent, where the flow starts.
    """

    restorer: RRDBNet
    autoencoder: AutoencoderDC
    unet: UNet2DConditionModel
    controlnet: ControlNetModel
    prompt_embedding: PromptEmbedding
    fallback: FallbackSynthesis
    synthesis: LatentSynthesis
    sigma: float


def new_autoencoder() -> AutoencoderDC:
    """Return an untrained autoencoder to 1/8 of the size, without layers at full size.

    AutoencoderDC (Chen et al. 2024) moves pixels into channels, with shortcuts around every block. Its norms use one
    position only, so the results of overlapping tiles agree. docs/decoder.md says why it is not AutoencoderTiny.
    """
    from receiver.pocket.diffusers_import import AutoencoderDC  # noqa: PLC0415 - a second; the decoder's default needs none of it

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
    """Return an untrained flow network, from latent to velocity. ``widths`` are multiples of 32."""
    from receiver.pocket.diffusers_import import UNet2DConditionModel  # noqa: PLC0415 - a second; the decoder's default needs none of it

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
    """Return a ControlNet (Zhang et al. 2023) for ``unet``: a copy of its encoder with outputs at zero."""
    from receiver.pocket.diffusers_import import ControlNetModel  # noqa: PLC0415 - a second; the decoder's default needs none of it

    controlnet: ControlNetModel = ControlNetModel.from_unet(
        unet,
        conditioning_embedding_out_channels=(unet.config.block_out_channels[0],),
        conditioning_channels=CONTROL_CHANNELS,
    )
    return controlnet


def to_latent(autoencoder: AutoencoderDC, picture: Tensor) -> Tensor:
    """Encode ``picture`` ``[B, 3, H, W]``, 0 to 1, to a latent ``[B, 16, H / 8, W / 8]`` of about unit variance."""
    latent: Tensor = autoencoder.encode(picture * 2 - 1).latent * autoencoder.config.scaling_factor
    return latent


def from_latent(autoencoder: AutoencoderDC, latent: Tensor) -> Tensor:
    """Decode ``latent`` ``[B, 16, H / 8, W / 8]`` to a picture ``[B, 3, H, W]``, about 0 to 1 (not clamped)."""
    picture: Tensor = autoencoder.decode(latent / autoencoder.config.scaling_factor).sample
    return (picture + 1) / 2


def control_image(hci_latent: Tensor, channels: Tensor, regions: Tensor, given: Tensor) -> Tensor:
    """Return the ControlNet's input ``[B, 54, h, w]``.

    ``hci_latent`` ``[B, 16, h, w]`` is the latent of the restored HCI, ``channels`` ``[B, 32, h, w]`` are those of the
    latent stream and ``regions`` ``[B, 3, h, w]`` the masks of the regions. ``given`` ``[B, 3]`` is 0 for an input that
    a picture lacks.
    """
    availability = given[:, :, None, None].to(hci_latent.dtype)
    parts = [part * availability[:, index : index + 1] for index, part in enumerate((hci_latent, channels, regions))]
    return torch.cat([*parts, availability.expand(-1, -1, *hci_latent.shape[2:])], 1)


def attention_mask(given: Tensor, control: Tensor) -> Tensor:
    """Return the result of ``limit_regions`` at 1/32 of the picture's size for the masks in ``control``."""
    first = AUTOENCODER_CHANNELS + LATENT_CHANNELS
    return limit_regions(given, control[:, first : first + REGIONS_MAX], LATENT_MULTIPLE)


def velocity(
    networks: PocketNetworks, latent: Tensor, time: Tensor, prompt: Tensor, given: Tensor, control: Tensor
) -> Tensor:
    """Return the velocity (source - picture) ``[B, 16, h, w]`` at ``time`` ``[B]``: 1 at the source, 0 at the end.

    ``prompt`` ``[B, T, 384]`` are embedded prompt tokens, ``given`` ``[B, T]`` is 1 for those that are there, and
    ``control`` is the result of ``control_image``. Text acts through attention only, and everything that has a place in
    the picture acts through the ControlNet only.
    """
    step = time * TIMESTEPS
    down, middle = networks.controlnet(
        latent, step, encoder_hidden_states=torch.zeros_like(prompt[:, :1]), controlnet_cond=control, return_dict=False
    )
    result: Tensor = networks.unet(
        latent,
        step,
        encoder_hidden_states=prompt,
        encoder_attention_mask=attention_mask(given.to(latent.dtype), control),
        down_block_additional_residuals=down,
        mid_block_additional_residual=middle,
        return_dict=False,
    )[0]
    return result
