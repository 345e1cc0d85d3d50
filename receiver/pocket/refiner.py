"""The refiner: a diffusion network on pixels that starts from the restored picture.

Blocks of 4 × 4 pixels become channels. The network takes a state between the picture and the noisy restored picture,
``x_t = (1 - t) * picture + t * (restored + sigma * noise)``, and predicts the picture itself, so one step gives a
result and more steps refine it: inversion by direct iteration (Delbracio and Milanfar 2023, equations 2 and 8).
Words act by cross-attention. What has a place in the picture acts through a ControlNet (Zhang et al. 2023).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional

from receiver.pocket.diffusers_import import ControlNetModel, UNet2DConditionModel
from shared.latent.layout import LATENT_CHANNELS
from shared.regions.region import REGIONS_MAX
from shared.text import TEXT_WIDTH

if TYPE_CHECKING:
    from collections.abc import Sequence

BLOCK = 4
"""Side in pixels of the blocks that become channels."""
STATE_CHANNELS = 3 * BLOCK * BLOCK
WIDTHS = (64, 128, 192)
"""Channels at 1/4, 1/8 and 1/16 of the picture's size."""
MULTIPLE = 4 * BLOCK
"""The sides of a picture are multiples of this, because the network halves blocks twice."""
CODE_STRIDE, CODE_COUNT, CODE_WIDTH = 32, 32, 16
"""A semantic token covers 32 × 32 pixels and is one of 32 codes; the network takes a code as a vector of 16."""
CONTROL_CHANNELS = (CODE_WIDTH + 1) + (LATENT_CHANNELS + 1) + REGIONS_MAX + 1
"""Codes and latent channels, each with an availability channel; region masks; the mask of the received HCI."""
TIMESTEPS = 1000
"""The networks take time 0 to 1 as 0 to 1000, like the schedulers of diffusers."""


@dataclass(frozen=True)
class Places:
    """What has a place in the picture, at 1/4 of its size. A stream that was lost is zero and not available.

    ``codes`` ``[B, H / 32, W / 32]`` int64, -1 where no token was received; ``latent`` ``[B, 32, H / 16, W / 16]`` and
    ``received`` ``[B, 32]``, 1 for channels that were received; ``regions`` ``[B, 3, H / 4, W / 4]``; ``hci``
    ``[B, 1, H / 4, W / 4]``, 1 where the HCI was received.
    """

    codes: Tensor
    latent: Tensor
    received: Tensor
    regions: Tensor
    hci: Tensor


def new_refiner_unet(widths: Sequence[int] = WIDTHS) -> UNet2DConditionModel:
    """Return an untrained network that leaves the restored picture as it is. ``widths`` are multiples of 16."""
    unet = UNet2DConditionModel(
        in_channels=2 * STATE_CHANNELS,
        out_channels=STATE_CHANNELS,
        block_out_channels=tuple(widths),
        layers_per_block=1,
        down_block_types=("DownBlock2D", "DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D", "UpBlock2D"),
        cross_attention_dim=TEXT_WIDTH,
        attention_head_dim=32,
        norm_num_groups=16,
        only_cross_attention=True,
    )
    prepare_for_tiles(unet)
    for module in unet.modules():  # every block starts as the identity, which trains well without norms
        if type(module).__name__ == "ResnetBlock2D":
            nn.init.zeros_(module.conv2.weight)
            nn.init.zeros_(module.conv2.bias)
    nn.init.zeros_(unet.conv_out.weight)
    nn.init.zeros_(unet.conv_out.bias)
    return unet


def new_refiner_control(unet: UNet2DConditionModel) -> ControlNetModel:
    """Return the ControlNet for ``unet``: its encoder's shape, with weights of its own.

    Zhang et al. begin with outputs at zero, and with the control picture at zero too, so as not to disturb a trained
    network. Ours is untrained and its last layer is zero. Both zeros together kept the codes unread for 500 steps.
    """
    control: ControlNetModel = ControlNetModel.from_unet(
        unet,
        conditioning_embedding_out_channels=(unet.config.block_out_channels[0],),
        conditioning_channels=CONTROL_CHANNELS,
        load_weights_from_unet=False,
    )
    prepare_for_tiles(control)
    for own, its in ((control.conv_in, unet.conv_in), (control.time_embedding, unet.time_embedding)):
        own.load_state_dict(its.state_dict())
    outputs = [*control.controlnet_down_blocks, control.controlnet_mid_block]
    for convolution in (control.controlnet_cond_embedding.conv_out, *outputs):
        convolution.reset_parameters()
    return control


def prepare_for_tiles(network: nn.Module) -> None:
    """Remove the group norms of ``network``: they depend on the whole picture, so tiles would not agree."""
    for module in list(network.modules()):
        for name, child in list(module.named_children()):
            if isinstance(child, nn.GroupNorm):
                setattr(module, name, nn.Identity())


class Refiner(nn.Module):
    """UNet, ControlNet and the vectors of the codes."""

    def __init__(self, widths: Sequence[int] = WIDTHS) -> None:
        super().__init__()
        self.unet = new_refiner_unet(widths)
        self.control = new_refiner_control(self.unet)
        self.codes = nn.Embedding(CODE_COUNT, CODE_WIDTH)

    def control_image(self, places: Places) -> Tensor:
        """Return the ControlNet's input ``[B, 54, H / 4, W / 4]``."""
        available = (places.codes >= 0).unsqueeze(1).float()
        codes = self.codes(places.codes.clamp_min(0)).permute(0, 3, 1, 2) * available
        latent = places.latent * places.received[:, :, None, None]
        any_channel = places.received.amax(1)[:, None, None, None].expand(-1, 1, *latent.shape[2:])
        size = tuple(places.hci.shape[2:])
        coarse = [functional.interpolate(torch.cat([codes, available], 1), size)]
        coarse.append(functional.interpolate(torch.cat([latent, any_channel], 1), size))
        return torch.cat([*coarse, places.regions, places.hci], 1)

    def forward(
        self, state: Tensor, restored: Tensor, time: Tensor, prompt: Tensor, given: Tensor, control: Tensor
    ) -> Tensor:
        """Return the predicted picture ``[B, 3, H, W]``, about 0 to 1.

        ``state`` and ``restored`` are ``[B, 3, H, W]``, about 0 to 1; ``time`` ``[B]`` is 1 at the restored picture and
        0 at the picture. ``prompt`` ``[B, T, 384]`` are embedded words and ``given`` ``[B, T]`` is 1 for those that are
        there. ``control`` is the result of ``control_image``.
        """
        blocks = functional.pixel_unshuffle(torch.cat([state, restored], 1) - 0.5, BLOCK)
        step = time * TIMESTEPS
        down, middle = self.control(
            blocks, step, encoder_hidden_states=torch.zeros_like(prompt[:, :1]), controlnet_cond=control,
            return_dict=False,
        )  # fmt: skip
        change: Tensor = self.unet(
            blocks,
            step,
            encoder_hidden_states=prompt,
            encoder_attention_mask=given.to(blocks.dtype),
            down_block_additional_residuals=down,
            mid_block_additional_residual=middle,
            return_dict=False,
        )[0]
        return restored + functional.pixel_shuffle(change.float(), BLOCK)

    def refine(
        self, restored: Tensor, noise: Tensor, sigma: float, steps: int, prompt: Tensor, given: Tensor, control: Tensor
    ) -> Tensor:
        """Return the picture ``[B, 3, H, W]`` after ``steps`` steps from ``restored + sigma * noise``."""
        state = restored + sigma * noise
        picture = restored
        for step in range(steps, 0, -1):
            time = torch.full((len(restored),), step / steps, device=restored.device)
            picture = self(state, restored, time, prompt, given, control)
            state = picture + (step - 1) / step * (state - picture)
        return picture
