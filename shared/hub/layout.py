"""Which files the models of a profile consist of: the layout of diffusers and transformers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

    from shared.hub.profile import ModelProfile, Source

DIFFUSERS_STEM: Final = "diffusion_pytorch_model"
TRANSFORMERS_STEM: Final = "model"
TOKENIZER_CONFIG: Final = "tokenizer_config.json"
VOCABULARIES: Final = (("tokenizer.json",), ("vocab.json", "merges.txt"), ("vocab.txt",), ("spiece.model",))
"""Files beside it that hold a tokenizer's words: one of these sets. Without them the libraries go on with no words."""


@dataclass(frozen=True, slots=True)
class Component:
    """One folder of a repository; "" is its top.

    ``config`` names the file that must be there. A network has weights, whose file names start with ``stem``, and is of
    class ``class_name``; a tokenizer or scheduler has an empty ``stem``.
    """

    folder: str
    config: str
    class_name: str = ""
    stem: str = ""


@dataclass(frozen=True, slots=True)
class Part:
    """One repository of a profile. ``role`` is the profile's field: base, controlnet, adapters, captioner or maps."""

    role: str
    source: Source
    components: tuple[Component, ...]


def _diffusers(folder: str, class_name: str) -> Component:
    return Component(folder, "config.json", class_name, DIFFUSERS_STEM)


def _transformers(folder: str, class_name: str) -> Component:
    return Component(folder, "config.json", class_name, TRANSFORMERS_STEM)


_TOKENIZER: Final = Component("tokenizer", TOKENIZER_CONFIG)
_TOKENIZER_2: Final = Component("tokenizer_2", TOKENIZER_CONFIG)
_SCHEDULER: Final = Component("scheduler", "scheduler_config.json")
_VAE: Final = _diffusers("vae", "AutoencoderKL")
_UNET: Final = _diffusers("unet", "UNet2DConditionModel")
_CLIP: Final = _transformers("text_encoder", "CLIPTextModel")
BASES: Final = {
    "stable-diffusion": (_UNET, _VAE, _CLIP, _TOKENIZER, _SCHEDULER),
    "stable-diffusion-xl": (
        *(_UNET, _VAE, _CLIP, _transformers("text_encoder_2", "CLIPTextModelWithProjection")),
        *(_TOKENIZER, _TOKENIZER_2, _SCHEDULER),
    ),
    "flux": (
        *(_diffusers("transformer", "FluxTransformer2DModel"), _VAE, _CLIP),
        *(_transformers("text_encoder_2", "T5EncoderModel"), _TOKENIZER, _TOKENIZER_2, _SCHEDULER),
    ),
}
"""Components of the base by family, those with weights in the order in which they are loaded."""
CONTROLNETS: Final = {
    "stable-diffusion": "ControlNetModel",
    "stable-diffusion-xl": "ControlNetModel",
    "flux": "FluxControlNetModel",
}
CAPTIONERS: Final = {
    "blip": "BlipForConditionalGeneration",
    "florence-2": "Florence2ForConditionalGeneration",
    "qwen2.5-vl": "Qwen2_5_VLForConditionalGeneration",
}
PROCESSOR: Final = Component("", "preprocessor_config.json")
TOP_TOKENIZER: Final = Component("", TOKENIZER_CONFIG)
ADAPTERS: Final = "TokenAdapter"
MAPS: Final = "CLIPModel"
DECODER_ROLES: Final = ("base", "controlnet", "adapters")
"""Parts of a profile that its decoder loads."""
SENDER_ROLES: Final = ("captioner", "maps")
"""Parts of a profile that the sender loads to describe pictures."""


def parts_of(profile: ModelProfile) -> Iterator[Part]:
    """Yield the repositories that ``profile`` names; the pocket profile has none."""
    if profile.base is not None:
        yield Part("base", profile.base, BASES[profile.family])
    if profile.controlnet is not None:
        yield Part("controlnet", profile.controlnet.source, (_diffusers("", CONTROLNETS[profile.family]),))
    if profile.adapters is not None:
        yield Part("adapters", profile.adapters, (_diffusers("", ADAPTERS),))
    if profile.captioner is not None:
        captioner = _transformers("", CAPTIONERS[profile.captioner.kind])
        yield Part("captioner", profile.captioner.source, (captioner, PROCESSOR, TOP_TOKENIZER))
    if profile.maps is not None:
        yield Part("maps", profile.maps, (_transformers("", MAPS), PROCESSOR, TOP_TOKENIZER))
