"""A base with the networks that are trained beside it, and its loss."""

from __future__ import annotations

import dataclasses
import importlib.util
from typing import TYPE_CHECKING, Any, Final, cast

import torch
from torch import Tensor, nn

from receiver.hub.adapters import TokenAdapter
from receiver.hub.conditions import Conditions
from receiver.hub.flux import new_control_branch
from receiver.hub.load import load_model
from receiver.pocket.devices import compute_dtype
from shared.errors import SetupError
from shared.hub.files import find_profile
from shared.hub.libraries import diffusers
from shared.hub.profile import ControlNet
from shared.latent.coder import LatentChannels
from shared.tokens.stream import TokenKind, Tokens
from training.hub.objective import Objective, to_latent

if TYPE_CHECKING:
    from shared.hub.profile import ModelProfile

TRAINED: Final = {"control": ("controlnet",), "tokens": ("adapter",), "joint": ("controlnet", "adapter")}
"""Stages, and the networks that each trains: first the guidance by the HCI, then the tokens, then both together."""
LORA_TARGETS: Final = ("to_q", "to_k", "to_v", "to_out.0")
SEED: Final = 1


class HubNetwork(nn.Module):
    """The networks of a profile, of which some are trained, and the loss of one batch.

    ``captions`` are those of the examples, which batches name by their rows.
    """

    def __init__(self, model: Any, profile: ModelProfile, captions: tuple[str, ...]) -> None:
        super().__init__()
        self.model, self.profile, self.captions = model, profile, captions
        denoiser = model.unet if hasattr(model, "unet") else model.transformer
        named = {"denoiser": denoiser, "controlnet": model.controlnet, "adapter": model.adapter}
        others = [one for one in model.networks if not any(one is known for known in named.values())]
        self.networks = nn.ModuleDict({name: one for name, one in named.items() if one is not None})
        self.frozen = nn.ModuleList(others)
        self._objective = Objective(profile, model.scheduler)

    def forward(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return the measures of one batch (``HubRecipe.batch``); ``loss`` is the one to minimise."""
        conditions = self.make_conditions(batch)
        latent = to_latent(self.model.autoencoder, batch["picture"])
        mixed, time, target = self._objective.mix(latent, batch["noise"], float(batch["share"]))
        prompt = self.model.embed([one.text for one in conditions], conditions)
        start = to_latent(self.model.autoencoder, batch["start"])
        control = self.model.make_control(batch["start"], start, conditions)
        found = self.model.predict(mixed, time, prompt, control)
        loss = (found.float() - target).square().mean()
        # A step without tokens must still name the adapter's weights: processes exchange the gradients of all of them.
        unused = sum(parameter.sum() for parameter in self.parameters() if parameter.requires_grad)
        return {"loss": loss + 0 * unused}

    def make_conditions(self, batch: dict[str, Tensor]) -> list[Conditions]:
        """Return the conditions of the pictures of ``batch``, as the receiver makes them of streams."""
        kind, count = TokenKind(int(batch["kind"])), int(batch["count"])
        found = []
        for place, row in enumerate(batch["row"].tolist()):
            codes = batch["codes"][place, kind, :count].tolist()
            found.append(
                Conditions(
                    text=self.captions[row] if bool(batch["captioned"][place]) else "",
                    regions=(),
                    tokens=Tokens(kind, tuple(int(code) for code in codes)) if count else None,
                    latent=_latent_channels(batch, place) if self.profile.family == "flux" else None,
                    strength=self.profile.strength,
                    pseudo_time=None,
                    with_hci=True,
                )
            )
        return found


def _latent_channels(batch: dict[str, Tensor], place: int) -> LatentChannels:
    """Return the latent channels of one picture of ``batch``, as many as the batch has, in ascending order."""
    ids = sorted(batch["best"][place, : int(batch["channels"])].tolist())
    return LatentChannels(tuple(ids), batch["latents"][place, ids].cpu().numpy())


def make_network(
    profile: ModelProfile, stage: str, captions: tuple[str, ...], device: torch.device, *, lora_rank: int = 0
) -> HubNetwork:
    """Return the networks of ``profile`` on ``device``, those of ``stage`` to be trained, the others frozen.

    ControlNet and token adapter are those of the profile, or new ones: a ControlNet that copies the base and changes
    nothing yet, and a random adapter. With ``lora_rank``, the attention of the base gets low-rank changes (LoRA, Hu et
    al. 2022), which are trained too.

    Raises:
        SetupError: a file of the profile is missing or damaged, or the package peft is.
        LimitError: there is too little memory.
    """
    assert profile.base is not None
    roles = ["base", *(["controlnet"] if profile.controlnet else []), *(["adapters"] if profile.adapters else [])]
    fed = profile.controlnet or ControlNet(source=profile.base)
    # FLUX is guided by latent channels, as in GSC; Stable Diffusion by the HCI and what residual tokens add to it.
    fed = fed.model_copy(update={"input": "latent" if profile.family == "flux" else "tokens"})
    model: Any = load_model(profile, find_profile(profile, tuple(roles)), device)
    profile = profile.model_copy(update={"controlnet": fed})
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(SEED)
        model = dataclasses.replace(
            model,
            profile=profile,
            controlnet=model.controlnet or _new_controlnet(model),
            adapter=model.adapter or _new_adapter(model),
        )
        network = HubNetwork(model, profile, captions).requires_grad_(requires_grad=False)
        if lora_rank:
            _add_lora(network.networks["denoiser"], lora_rank)
    for name in TRAINED[stage]:
        network.networks[name].float().requires_grad_(requires_grad=True)
    for name in ("denoiser", "controlnet"):  # activations are computed again for the gradients, and not stored
        cast("Any", network.networks[name]).enable_gradient_checkpointing()
    return network.to(device)


def prepare_profile(profile: ModelProfile, precision: str, device: torch.device) -> ModelProfile:
    """Return ``profile`` with the number type of its frozen networks in training: bfloat16 or float32."""
    wide = precision == "no" or (precision == "auto" and compute_dtype(device) is not torch.bfloat16)
    memory = profile.memory.model_copy(update={"offload": "none", "quantisation": "none"})
    return profile.model_copy(update={"dtype": "float32" if wide else "bfloat16", "memory": memory})


def _new_controlnet(model: Any) -> Any:
    if hasattr(model, "unet"):
        return diffusers.ControlNetModel.from_unet(model.unet)
    return new_control_branch(model.transformer)


def _new_adapter(model: Any) -> Any:
    if hasattr(model, "unet"):
        return TokenAdapter(int(model.unet.config.cross_attention_dim))
    return TokenAdapter(int(model.transformer.config.joint_attention_dim))


def _add_lora(denoiser: Any, rank: int) -> None:
    if importlib.util.find_spec("peft") is None:
        raise SetupError("--lora needs the package peft: pip install peft, or leave --lora out")
    from peft import LoraConfig  # noqa: PLC0415 - optional

    denoiser.add_adapter(LoraConfig(r=rank, lora_alpha=rank, target_modules=list(LORA_TARGETS)))
    for name, parameter in denoiser.named_parameters():
        if "lora" in name:
            parameter.data = parameter.data.float()
