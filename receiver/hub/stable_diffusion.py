"""Stable Diffusion 2 and XL: text encoders, UNet and ControlNet."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch.nn import functional

from receiver.hub.control import control_picture
from receiver.hub.loading import load_guides, load_tokenizer
from receiver.hub.model import LATENT_SCALE, Prompt
from receiver.hub.text import add_tokens, word_pieces
from shared.hub.files import read_json
from shared.hub.libraries import diffusers, transformers
from shared.hub.loading import load_network

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from torch import Tensor

    from receiver.hub.adapters import TokenAdapter
    from receiver.hub.conditions import Conditions
    from shared.hub.files import FoundPart
    from shared.hub.profile import ModelProfile


@dataclass(frozen=True)
class StableDiffusion:
    """The networks of a base of the family stable-diffusion or stable-diffusion-xl. Implements ``LatentModel``.

    The family stable-diffusion-xl has two text encoders, whose words stand side by side in the channels.
    """

    profile: ModelProfile
    device: torch.device
    dtype: torch.dtype
    unet: Any
    autoencoder: Any
    encoders: tuple[tuple[Any, Any], ...]
    scheduler: Mapping[str, Any]
    controlnet: Any = None
    adapter: TokenAdapter | None = None
    guided: bool = False

    @property
    def multiple(self) -> int:
        """What the sides of the latent are multiples of: the UNet halves it once per block but the last."""
        return int(2 ** (len(self.unet.config.block_out_channels) - 1))

    @property
    def denoiser(self) -> Any:
        """The network that runs in every step."""
        return self.unet

    @property
    def networks(self) -> list[Any]:
        """All networks, in the order in which they run."""
        return [
            one
            for one in (
                *(encoder for _, encoder in self.encoders),
                *(self.adapter, self.controlnet, self.unet, self.autoencoder),
            )
            if one is not None
        ]

    def embed(self, texts: Sequence[str], batch: Sequence[Conditions]) -> Prompt:
        """Return the words of ``texts``, with the semantic tokens of the pictures after them if there is an adapter."""
        parts, pooled = [], None
        for tokenizer, encoder in self.encoders:
            pieces = word_pieces(tokenizer, encoder, texts)
            found = encoder(pieces.to(self.device), output_hidden_states=self.is_xl)
            parts.append(found.hidden_states[-2] if self.is_xl else found.last_hidden_state)
            if self.is_xl:  # of the last encoder, which projects its sentence
                pooled = found[0]
        words = torch.cat(parts, -1)
        if pooled is not None:  # the base was trained with zeros where there is no text
            with_text = torch.tensor([bool(text.strip()) for text in texts], device=self.device)[:, None]
            words, pooled = words * with_text[..., None], pooled * with_text
        return Prompt(add_tokens(words, batch, self.adapter), pooled)

    def make_control(self, picture: Tensor, latent: Tensor, batch: Sequence[Conditions]) -> Tensor | None:
        """Return the ControlNet's picture as maps of the latent's size, ``[B, 192, h, w]``."""
        del latent
        if self.profile.controlnet is None or self.controlnet is None or not batch[0].with_hci:
            return None
        fed = control_picture(self.profile.controlnet, picture, batch, self.adapter)
        return functional.pixel_unshuffle(fed, LATENT_SCALE)

    def predict(self, latent: Tensor, time: float, prompt: Prompt, control: Tensor | None) -> Tensor:
        """Return the UNet's output ``[B, 4, h, w]``: noise or velocity, as the base's scheduler expects."""
        sample, at = latent.to(self.dtype), torch.tensor(time, device=self.device)
        added = self._added_conditions(sample, prompt)
        residuals: dict[str, Any] = {}
        if control is not None and self.profile.controlnet is not None:
            down, middle = self.controlnet(
                sample,
                at,
                encoder_hidden_states=prompt.words,
                controlnet_cond=functional.pixel_shuffle(control, LATENT_SCALE).to(self.dtype),
                conditioning_scale=self.profile.controlnet.scale,
                added_cond_kwargs=added,
                return_dict=False,
            )
            residuals = {"down_block_additional_residuals": down, "mid_block_additional_residual": middle}
        output: Tensor = self.unet(
            sample, at, encoder_hidden_states=prompt.words, added_cond_kwargs=added, return_dict=False, **residuals
        )[0]
        return output

    @property
    def is_xl(self) -> bool:
        """Whether the base is of the family stable-diffusion-xl."""
        return self.profile.family == "stable-diffusion-xl"

    def _added_conditions(self, sample: Tensor, prompt: Prompt) -> dict[str, Tensor] | None:
        """Return the inputs of Stable Diffusion XL beside the words: pooled text, and sizes (Podell et al. 2023)."""
        if prompt.pooled is None:
            return None
        height, width = (LATENT_SCALE * side for side in sample.shape[2:])
        sizes = torch.tensor([height, width, 0, 0, height, width], device=self.device, dtype=prompt.pooled.dtype)
        return {"text_embeds": prompt.pooled, "time_ids": sizes.expand(len(sample), -1)}


def load_stable_diffusion(
    profile: ModelProfile, parts: Mapping[str, FoundPart], device: torch.device, dtype: torch.dtype
) -> StableDiffusion:
    """Return the networks of ``profile`` in main memory; ``parts`` are its files by role.

    Raises:
        SetupError: weights are damaged or of another network.
    """
    base = parts["base"]

    def load(kind: Any, folder: str, as_type: torch.dtype = dtype) -> Any:
        return load_network(kind, base, folder, profile, device, as_type)

    kinds = [("tokenizer", "text_encoder", transformers.CLIPTextModel)]
    if profile.family == "stable-diffusion-xl":
        kinds.append(("tokenizer_2", "text_encoder_2", transformers.CLIPTextModelWithProjection))
    encoders = tuple(
        (load_tokenizer(transformers.CLIPTokenizer, base, words, profile), load(kind, folder))
        for words, folder, kind in kinds
    )
    autoencoder = load(diffusers.AutoencoderKL, "vae")
    if autoencoder.config.force_upcast and dtype is torch.float16:  # its activations do not fit into float16
        autoencoder = autoencoder.float()
    return StableDiffusion(
        profile,
        device,
        dtype,
        unet=load(diffusers.UNet2DConditionModel, "unet"),
        autoencoder=autoencoder,
        encoders=encoders,
        scheduler=read_json(base.folder / "scheduler" / "scheduler_config.json", ""),
        **load_guides(diffusers.ControlNetModel, parts, profile, device, dtype),
    )
