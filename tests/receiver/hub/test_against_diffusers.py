"""The sampling gives the picture that the pipelines of diffusers give for the same latent, noise, words and steps."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from receiver.hub.conditions import make_conditions
from shared.hub.libraries import diffusers, quiet
from tests.receiver.hub.conftest import HEIGHT, WIDTH, make_guidance

CAPTION, SEED = "a red boat", 5
PARTS = {
    "stable-diffusion": "StableDiffusionImg2ImgPipeline",
    "stable-diffusion-xl": "StableDiffusionXLImg2ImgPipeline",
    "flux": "FluxImg2ImgPipeline",
}


def components(model: Any, family: str) -> dict[str, Any]:
    """Return the networks of ``model`` by the names of the pipelines of diffusers."""
    (words, encoder), *more = model.encoders
    flux = family == "flux"
    kind = diffusers.FlowMatchEulerDiscreteScheduler if flux else diffusers.EulerDiscreteScheduler
    found = {"vae": model.autoencoder, "text_encoder": encoder, "tokenizer": words}
    found |= {"transformer" if flux else "unet": model.denoiser, "scheduler": kind.from_config(model.scheduler)}
    if more:
        found |= {"tokenizer_2": more[0][0], "text_encoder_2": more[0][1]}
    if family == "stable-diffusion":
        found |= {"safety_checker": None, "feature_extractor": None, "requires_safety_checker": False}
    return found


@pytest.mark.parametrize(
    ("family", "guidance_scale"),
    [
        ("stable-diffusion", 0.0),
        ("stable-diffusion", 4.0),
        ("stable-diffusion-xl", 0.0),
        ("stable-diffusion-xl", 4.0),
        ("flux", 0.0),
    ],
)
def test_a_picture_is_that_of_the_pipeline_of_diffusers(family, guidance_scale, decoders):
    decoder = decoders.make(family, guidance_scale=guidance_scale, strength=0.5)
    pipeline, model = decoder.load(), decoder.load().model
    starts = torch.rand(1, 3, HEIGHT, WIDTH, generator=torch.Generator().manual_seed(1))
    conditions = make_conditions(make_guidance(CAPTION), decoder._profile)
    made = pipeline.generate(starts, [conditions], [SEED], 2)
    with quiet(), torch.inference_mode():
        theirs = getattr(diffusers, PARTS[family])(**components(model, family))
        theirs.set_progress_bar_config(disable=True)
        more = {"max_sequence_length": 256} if family == "flux" else {"negative_prompt": ""}
        if family == "stable-diffusion-xl":
            more = {}  # no negative prompt at all is that of zeros, as the real base has it
        expected = theirs(
            CAPTION,
            image=pipeline._encode(starts),
            strength=0.5,
            num_inference_steps=4,
            guidance_scale=guidance_scale,
            generator=torch.Generator().manual_seed(SEED),
            output_type="pt",
            **{"height": HEIGHT, "width": WIDTH} if family == "flux" else {},
            **more,
        ).images
    assert torch.allclose(made, expected, atol=2e-3)


def test_a_controlnet_acts_as_in_the_pipeline_of_diffusers(decoders):
    decoder = decoders.make(controlnet=decoders.controlnet(scale=0.7), guidance_scale=3.0, strength=0.5)
    pipeline, model = decoder.load(), decoder.load().model
    starts = torch.rand(1, 3, HEIGHT, WIDTH, generator=torch.Generator().manual_seed(1))
    made = pipeline.generate(starts, [make_conditions(make_guidance(CAPTION), decoder._profile)], [SEED], 2)
    with quiet(), torch.inference_mode():
        parts = components(model, "stable-diffusion") | {"controlnet": model.controlnet}
        theirs = diffusers.StableDiffusionControlNetImg2ImgPipeline(**parts)
        theirs.set_progress_bar_config(disable=True)
        expected = theirs(
            CAPTION,
            image=pipeline._encode(starts),
            control_image=starts,
            strength=0.5,
            num_inference_steps=4,
            guidance_scale=3.0,
            controlnet_conditioning_scale=0.7,
            generator=torch.Generator().manual_seed(SEED),
            output_type="pt",
        ).images
    assert torch.allclose(made, expected, atol=2e-3)
