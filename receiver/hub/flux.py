"""FLUX: a rectified-flow transformer on packed latents, with a control branch of copies of its first blocks (GSC).

"Generative Semantic Coding" (GSC) guides FLUX by channels of a coded latent: it copies M multi-stream and S
single-stream blocks, trains the copies alone and adds their outputs to the frozen base (M = 4, S = 2). diffusers has
this branch as ``FluxControlNetModel``. A packed latent position covers 16 × 16 pixels, as a position of the latent
channels does, so that the 32 channels and their availability are the branch's 64 inputs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import torch
from torch.nn import functional

from receiver.hub.loading import load_guides, load_tokenizer
from receiver.hub.model import Prompt
from receiver.hub.text import add_tokens, word_pieces
from receiver.pocket.conditioning import LATENT_FACTOR
from shared.errors import SetupError
from shared.hub.files import read_json
from shared.hub.libraries import diffusers, transformers
from shared.hub.loading import load_network
from shared.latent.layout import LATENT_CHANNELS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from torch import Tensor

    from receiver.hub.adapters import TokenAdapter
    from receiver.hub.conditions import Conditions
    from shared.hub.files import FoundPart
    from shared.hub.profile import ModelProfile

PACK: Final = 2
"""Latent positions per packed position, in each direction."""
MULTI_STREAM_BLOCKS: Final = 4
SINGLE_STREAM_BLOCKS: Final = 2
"""Blocks of a new control branch: M and S of GSC."""
MAX_WORDS: Final = 256
"""Word pieces of the second text encoder, as FLUX.1-schnell was trained."""
CONTROL_INPUTS: Final = 2 * LATENT_CHANNELS


@dataclass(frozen=True)
class Flux:
    """The networks of a base of the family flux. Implements ``LatentModel``.

    ``encoders`` are tokenizer and network of CLIP, whose pooled output is used, and of T5, whose words are used.
    """

    profile: ModelProfile
    device: torch.device
    dtype: torch.dtype
    transformer: Any
    autoencoder: Any
    encoders: tuple[tuple[Any, Any], tuple[Any, Any]]
    scheduler: Mapping[str, Any]
    controlnet: Any = None
    adapter: TokenAdapter | None = None
    multiple: int = PACK

    @property
    def denoiser(self) -> Any:
        """The network that runs in every step."""
        return self.transformer

    @property
    def guided(self) -> bool:
        """Whether the transformer takes the guidance scale as an input, as FLUX.1-dev does and schnell does not."""
        return bool(self.transformer.config.guidance_embeds)

    @property
    def networks(self) -> list[Any]:
        """All networks, in the order in which they run."""
        (_, clip), (_, t5) = self.encoders
        every = (clip, t5, self.adapter, self.controlnet, self.transformer, self.autoencoder)
        return [one for one in every if one is not None]

    def embed(self, texts: Sequence[str], batch: Sequence[Conditions]) -> Prompt:
        """Return the words of ``texts`` by T5, with the pictures' semantic tokens, and the pooled text by CLIP."""
        (clip_words, clip), (t5_words, t5) = self.encoders
        pooled = clip(word_pieces(clip_words, clip, texts).to(self.device)).pooler_output
        words = t5(word_pieces(t5_words, t5, texts, MAX_WORDS).to(self.device))[0]
        return Prompt(add_tokens(words, batch, self.adapter), pooled)

    def make_control(self, picture: Tensor, latent: Tensor, batch: Sequence[Conditions]) -> Tensor | None:
        """Return the control branch's input at the latent's size, ``[B, C, h, w]``.

        It is the latent channels and their availability, or the latent of the start picture; None where there are none.
        """
        del picture
        if self.controlnet is None or self.profile.controlnet is None:
            return None
        if self.profile.controlnet.input == "hci":
            return latent if batch[0].with_hci else None
        channels = [one.latent for one in batch if one.latent is not None]
        if not channels:
            return None
        maps = torch.zeros(len(batch), CONTROL_INPUTS, *(side // PACK for side in latent.shape[2:]))
        for row, one in enumerate(channels):
            values = torch.from_numpy(one.values).float() * LATENT_FACTOR
            height, width = maps.shape[2:]
            missing = (0, width - values.shape[2], 0, height - values.shape[1])
            maps[row, list(one.ids)] = functional.pad(values[None], missing, mode="replicate")[0]
            maps[row, [LATENT_CHANNELS + place for place in one.ids]] = 1
        return maps.repeat_interleave(PACK, 2).repeat_interleave(PACK, 3).to(self.device)

    def predict(self, latent: Tensor, time: float, prompt: Prompt, control: Tensor | None) -> Tensor:
        """Return the velocity ``[B, 16, h, w]`` at ``time``, 0 to 1."""
        rows, columns = (side // PACK for side in latent.shape[2:])
        places = torch.zeros(rows, columns, 3, device=self.device)
        places[..., 1] += torch.arange(rows, device=self.device)[:, None]
        places[..., 2] += torch.arange(columns, device=self.device)
        given: dict[str, Any] = {
            "hidden_states": pack(latent).to(self.dtype),
            "encoder_hidden_states": prompt.words,
            "pooled_projections": prompt.pooled,
            "timestep": torch.full((len(latent),), time, device=self.device, dtype=self.dtype),
            "img_ids": places.flatten(0, 1).to(self.dtype),
            "txt_ids": torch.zeros(prompt.words.shape[1], 3, device=self.device, dtype=self.dtype),
            "return_dict": False,
        }
        if self.guided:
            scale = torch.full((len(latent),), self.profile.guidance_scale, device=self.device)
            given["guidance"] = scale.to(self.dtype)
        residuals: dict[str, Any] = {}
        if control is not None and self.profile.controlnet is not None:
            fed = (
                pack(control) if self.profile.controlnet.input == "hci" else control[..., ::PACK, ::PACK].flatten(2).mT
            )
            blocks, single_blocks = self.controlnet(
                controlnet_cond=fed.to(self.dtype), conditioning_scale=self.profile.controlnet.scale, **given
            )
            residuals = {"controlnet_block_samples": blocks, "controlnet_single_block_samples": single_blocks}
        return unpack(self.transformer(**given, **residuals)[0], rows, columns)


def pack(latent: Tensor) -> Tensor:
    """Return ``latent`` ``[B, C, h, w]`` as packed positions ``[B, h w / 4, 4 C]``."""
    return functional.pixel_unshuffle(latent, PACK).flatten(2).mT


def unpack(positions: Tensor, rows: int, columns: int) -> Tensor:
    """Return packed positions as the latent ``[B, C, 2 rows, 2 columns]``, the inverse of ``pack``."""
    return functional.pixel_shuffle(positions.mT.reshape(len(positions), -1, rows, columns), PACK)


def new_control_branch(
    transformer: Any, multi_stream: int = MULTI_STREAM_BLOCKS, single_stream: int = SINGLE_STREAM_BLOCKS
) -> Any:
    """Return a control branch with copies of the first blocks of ``transformer``, to be trained; its outputs are zero.

    Its input has 64 channels: the latent channels and their availability.
    """
    # FluxControlNetModel.from_transformer keeps the number of blocks of a base that was made with the defaults.
    settings = {name: value for name, value in transformer.config.items() if not name.startswith("_")}
    branch = diffusers.FluxControlNetModel.from_config(
        settings | {"num_layers": multi_stream, "num_single_layers": single_stream}
    )
    for name in ("time_text_embed", "context_embedder", "x_embedder"):
        getattr(branch, name).load_state_dict(getattr(transformer, name).state_dict())
    for name in ("transformer_blocks", "single_transformer_blocks"):
        getattr(branch, name).load_state_dict(getattr(transformer, name).state_dict(), strict=False)
    torch.nn.init.zeros_(branch.controlnet_x_embedder.weight)
    torch.nn.init.zeros_(branch.controlnet_x_embedder.bias)
    return branch


def load_flux(profile: ModelProfile, parts: Mapping[str, FoundPart], device: torch.device, dtype: torch.dtype) -> Flux:
    """Return the networks of ``profile`` in main memory; ``parts`` are its files by role.

    Raises:
        SetupError: weights are damaged or of another network.
    """
    base = parts["base"]

    def load(kind: Any, folder: str) -> Any:
        return load_network(kind, base, folder, profile, device, dtype)

    guides = load_guides(diffusers.FluxControlNetModel, parts, profile, device, dtype)
    controlnet = guides.get("controlnet")
    transformer = load(diffusers.FluxTransformer2DModel, "transformer")
    inputs = transformer.config.in_channels if controlnet is None else controlnet.config.in_channels
    if inputs != CONTROL_INPUTS:
        what = "the base's transformer" if controlnet is None else "the control branch"
        raise SetupError(
            f"model profile {profile.name}: {what} takes {inputs} channels, and a packed latent has {CONTROL_INPUTS}; "
            "take another model"
        )
    return Flux(
        profile,
        device,
        dtype,
        transformer=transformer,
        autoencoder=load(diffusers.AutoencoderKL, "vae"),
        encoders=(
            (
                load_tokenizer(transformers.CLIPTokenizer, base, "tokenizer", profile),
                load(transformers.CLIPTextModel, "text_encoder"),
            ),
            (
                load_tokenizer(transformers.AutoTokenizer, base, "tokenizer_2", profile),
                load(transformers.T5EncoderModel, "text_encoder_2"),
            ),
        ),
        scheduler=read_json(base.folder / "scheduler" / "scheduler_config.json", ""),
        **guides,
    )
