"""The published configurations of the real models, without weights: shapes, widths, tiles and sizes fit the code.

The values are those of the ``config.json`` of each hub id, as far as they differ from the defaults of diffusers and
transformers. Networks are built on the device "meta", where weights take no memory and a run gives shapes alone.
"""

from __future__ import annotations

import functools
from types import SimpleNamespace

import pytest
import torch

from receiver.hub.conditions import Conditions
from receiver.hub.flux import CONTROL_INPUTS, Flux, new_control_branch
from receiver.hub.pipeline import HubPipeline
from receiver.hub.stable_diffusion import StableDiffusion
from shared.hub.libraries import diffusers, transformers
from shared.hub.registry import load_profile

META = torch.device("meta")
UNET = {"block_out_channels": (320, 640, 1280, 1280), "attention_head_dim": [5, 10, 20, 20]}
UNET |= {"cross_attention_dim": 1024, "use_linear_projection": True}
XL_UNET = {
    "block_out_channels": (320, 640, 1280),
    "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
    "up_block_types": ("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
    "attention_head_dim": [5, 10, 20],
    "transformer_layers_per_block": [1, 2, 10],
    "cross_attention_dim": 2048,
    "use_linear_projection": True,
    "addition_embed_type": "text_time",
    "addition_time_embed_dim": 256,
    "projection_class_embeddings_input_dim": 2816,
}
AUTOENCODER = {
    "block_out_channels": (128, 256, 512, 512),
    "down_block_types": ("DownEncoderBlock2D",) * 4,
    "up_block_types": ("UpDecoderBlock2D",) * 4,
    "layers_per_block": 2,
}
FLUX_AUTOENCODER = {"latent_channels": 16, "shift_factor": 0.1159, "scaling_factor": 0.3611}
FLUX_AUTOENCODER |= {"use_quant_conv": False, "use_post_quant_conv": False}
CLIP_L = {"hidden_size": 768, "intermediate_size": 3072, "num_attention_heads": 12, "num_hidden_layers": 12}
OPEN_CLIP_H = {"hidden_size": 1024, "intermediate_size": 4096, "num_attention_heads": 16, "num_hidden_layers": 23}
OPEN_CLIP_G = {"hidden_size": 1280, "intermediate_size": 5120, "num_attention_heads": 20, "num_hidden_layers": 32}
T5_XXL = {"vocab_size": 32128, "d_model": 4096, "d_ff": 10240, "num_layers": 24, "num_heads": 64}
VISION_L = {"hidden_size": 1024, "intermediate_size": 4096, "num_hidden_layers": 24, "num_attention_heads": 16}
CAPTIONERS = {
    "blip": (
        *(transformers.BlipForConditionalGeneration, 4),
        {
            "vision_config": VISION_L | {"image_size": 384, "patch_size": 16},
            "text_config": {"encoder_hidden_size": 1024},
        },
    ),
    "florence-2": (
        *(transformers.Florence2ForConditionalGeneration, 2),
        {
            "vision_config": {"embed_dim": [256, 512, 1024, 2048], "projection_dim": 1024}
            | {"num_heads": [8, 16, 32, 64], "num_groups": [8, 16, 32, 64]},
            "text_config": {"model_type": "bart", "vocab_size": 51289, "max_position_embeddings": 4096},
        },
    ),
    "qwen2.5-vl": (
        *(transformers.Qwen2_5_VLForConditionalGeneration, 2),
        {
            "text_config": {"hidden_size": 2048, "intermediate_size": 11008, "num_hidden_layers": 36}
            | {"num_attention_heads": 16, "num_key_value_heads": 2, "vocab_size": 151936, "tie_word_embeddings": True},
            "vision_config": {"depth": 32, "hidden_size": 1280, "intermediate_size": 3420, "out_hidden_size": 2048},
            "tie_word_embeddings": True,
        },
    ),
}
"""Class, bytes per weight in its file, and settings of each captioner."""
MAPS = {"text_config": CLIP_L, "vision_config": VISION_L | {"patch_size": 14}, "projection_dim": 768}
FEW_BLOCKS = {"layers_per_block": 1, "transformer_layers_per_block": 1}
"""Fewer blocks of the same widths, for a run: on the device "meta" too, each block takes time."""
TEXTS = ["a red boat", "two horses"]


class Words:
    """In place of a tokenizer, whose vocabulary is not here: word pieces of the right number."""

    model_max_length = 77

    def __call__(self, texts, max_length, **_):
        return SimpleNamespace(input_ids=torch.zeros(len(texts), max_length, dtype=torch.long))


def build(kind, settings, **more):
    with META:
        if kind.__module__.startswith("diffusers"):
            return kind(**settings, **more).half()
        return kind(kind.config_class(**settings, **more)).half()


def gigabytes(networks, bytes_each=2):
    return sum(one.numel() for network in networks for one in network.parameters()) * bytes_each / 1e9


@functools.cache
def captioner_gigabytes(kind, *, maps):
    """Return the size of the files of a captioner, and of the maps beside it."""
    network_class, bytes_each, settings = CAPTIONERS[kind]
    total = gigabytes([build(network_class, settings)], bytes_each)
    return total + (gigabytes([build(transformers.CLIPModel, MAPS)], 4) if maps else 0)


def check_download(profile, base_gb):
    total = base_gb + captioner_gigabytes(profile.captioner.kind, maps=profile.maps is not None)
    assert profile.download_gb == pytest.approx(total, rel=0.03)


def conditions(count):
    return [Conditions("", (), None, None, 0.5, None, with_hci=True)] * count


@pytest.mark.parametrize("names", [("sd-turbo", "sd21"), ("sdxl-turbo",)])
def test_stable_diffusion_as_published_fits_the_code(names):
    profiles = [load_profile(name) for name in names]
    profile = profiles[0]
    if profile.family == "stable-diffusion":
        encoders = [build(transformers.CLIPTextModel, OPEN_CLIP_H, hidden_act="gelu")]
        unet = build(diffusers.UNet2DConditionModel, UNET)
        autoencoder = build(diffusers.AutoencoderKL, AUTOENCODER)
    else:
        second = OPEN_CLIP_G | {"projection_dim": 1280}
        encoders = [build(transformers.CLIPTextModel, CLIP_L)]
        encoders.append(build(transformers.CLIPTextModelWithProjection, second, hidden_act="gelu"))
        unet = build(diffusers.UNet2DConditionModel, XL_UNET)
        autoencoder = build(diffusers.AutoencoderKL, AUTOENCODER, scaling_factor=0.13025)
    quick = [build(type(one), one.config.to_dict() | {"num_hidden_layers": 2}) for one in encoders]
    settings = {name: value for name, value in unet.config.items() if not name.startswith("_")}
    shallow = build(diffusers.UNet2DConditionModel, settings | FEW_BLOCKS)
    pairs = tuple((Words(), one) for one in quick)
    model = StableDiffusion(profile, META, torch.float16, shallow, autoencoder, pairs, {})
    HubPipeline(model, profile, META)  # the profile's tiles suit the base
    prompt = model.embed(TEXTS, conditions(2))
    assert prompt.words.shape == (2, 77, unet.config.cross_attention_dim)
    side = profile.memory.tile_px // 8
    latent = torch.zeros(2, 4, side, side, device="meta")
    assert model.predict(latent, 499.0, prompt, None).shape == latent.shape
    assert autoencoder.encode(torch.zeros(1, 3, 64, 64, device="meta").half()).latent_dist.mode().shape == (1, 4, 8, 8)
    for one in profiles:
        fetched = gigabytes([unet, autoencoder, *encoders], 2 if one.base.variant == "fp16" else 4)
        check_download(one, fetched)
        assert gigabytes([unet, autoencoder, *encoders]) < one.memory_gb


def test_flux_as_published_fits_the_code():
    profile = load_profile("flux-schnell")
    transformer = build(diffusers.FluxTransformer2DModel, {})  # the defaults of diffusers are those of FLUX.1-schnell
    clip = build(transformers.CLIPTextModel, CLIP_L)
    t5 = build(transformers.T5EncoderModel, T5_XXL, feed_forward_proj="gated-gelu", d_kv=64)
    autoencoder = build(diffusers.AutoencoderKL, AUTOENCODER | FLUX_AUTOENCODER)
    with META:
        branch = new_control_branch(transformer).half()
    pieces = Words()
    pieces.model_max_length = 512
    shallow = build(diffusers.FluxTransformer2DModel, {"num_layers": 1, "num_single_layers": 1})
    quick = build(transformers.T5EncoderModel, T5_XXL | {"num_layers": 1}, feed_forward_proj="gated-gelu", d_kv=64)
    model = Flux(profile, META, torch.float16, shallow, autoencoder, ((Words(), clip), (pieces, quick)), {}, branch)
    HubPipeline(model, profile, META)
    assert (len(branch.transformer_blocks), len(branch.single_transformer_blocks)) == (4, 2)
    assert transformer.config.in_channels == branch.config.in_channels == CONTROL_INPUTS
    assert not model.guided
    prompt = model.embed(TEXTS, conditions(2))
    assert (prompt.words.shape, prompt.pooled.shape) == ((2, 256, 4096), (2, 768))
    latent = torch.zeros(2, 16, 32, 48, device="meta")
    assert model.predict(latent, 0.5, prompt, None).shape == latent.shape
    fetched = gigabytes([transformer, autoencoder, clip, t5])
    check_download(profile, fetched)
    assert gigabytes([transformer]) < profile.memory_gb < fetched  # offload keeps one network on the GPU
