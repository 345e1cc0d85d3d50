"""Parts of another base load each by itself; that they do not fit together is found before a picture is sent."""

from __future__ import annotations

import json
import shutil

import pytest

from receiver.decoder_registry import check_decoding
from receiver.hub.adapters import TokenAdapter
from receiver.hub.decoder import HubDecoder
from shared.errors import ConfigError, SetupError
from shared.hub.libraries import diffusers
from shared.hub.profile import ModelProfile
from shared.validation import validate
from tests.hub.tiny import new_autoencoder, new_unet, profile_values, seeded, write_profile
from tests.receiver.hub.conftest import decode

DEEP = {
    "block_out_channels": (8, 16, 16),
    "down_block_types": ("CrossAttnDownBlock2D", "DownBlock2D", "DownBlock2D"),
    "up_block_types": ("UpBlock2D", "UpBlock2D", "CrossAttnUpBlock2D"),
    "attention_head_dim": [2, 4, 4],
}


def new_controlnet(**unet):
    outputs = (4, 4, 4, 8)
    return diffusers.ControlNetModel.from_unet(new_unet(diffusers, **unet), conditioning_embedding_out_channels=outputs)


@pytest.mark.parametrize(
    ("field", "build"),
    [
        ("controlnet", lambda: new_controlnet(cross_attention_dim=24)),
        ("controlnet", lambda: new_controlnet(block_out_channels=(12, 24))),
        ("controlnet", lambda: new_controlnet(**DEEP)),
        ("adapters", lambda: TokenAdapter(24, 8)),
        ("unet", lambda: new_unet(diffusers, in_channels=9)),
        ("vae", lambda: new_autoencoder(diffusers, latent_channels=16)),
    ],
)
def test_parts_of_another_base_are_one_line(field, build, tiny_hub, tmp_path):
    base = shutil.copytree(tiny_hub["stable-diffusion"], tmp_path / "base")
    folder = tmp_path / "guide" if field in ("controlnet", "adapters") else base / field
    shutil.rmtree(folder, ignore_errors=True)
    with seeded():
        build().save_pretrained(folder)
    source = {"at": str(folder)}
    changes = {"controlnet": {"source": source}} if field == "controlnet" else {}
    changes |= {"adapters": source} if field == "adapters" else {}
    values = profile_values("tiny", "stable-diffusion", base, **changes)
    with pytest.raises(SetupError, match="model profile tiny: its parts do not fit together") as raised:
        HubDecoder(validate(ModelProfile, values), "cpu").load()
    assert ("take controlnet and adapters that were made for this base" in str(raised.value)) == bool(changes)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("family", "settings", "message"),
    [
        ("stable-diffusion", {"_class_name": "FlowMatchEulerDiscreteScheduler"}, "EulerDiscreteScheduler cannot stand"),
        ("flux", {"_class_name": "EulerDiscreteScheduler"}, "FlowMatchEulerDiscreteScheduler cannot stand in for"),
        ("stable-diffusion", {"beta_schedule": "steep"}, "settings do not fit EulerDiscreteScheduler .steep is not"),
        ("stable-diffusion", {"prediction_type": "picture"}, "its parts do not fit together"),
    ],
)
def test_a_scheduler_of_another_kind_is_one_line(family, settings, message, tiny_hub, tmp_path):
    base = shutil.copytree(tiny_hub[family], tmp_path / "base")
    file = base / "scheduler" / "scheduler_config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | settings))
    with pytest.raises(SetupError, match=message) as raised:
        HubDecoder(validate(ModelProfile, profile_values("tiny", family, base)), "cpu").load()
    assert "\n" not in str(raised.value)


def test_a_small_strength_has_fewer_times_than_steps(decoders):
    assert decode(decoders.make(strength=0.002, steps=4), steps=4).shape == (64, 96, 3)


def test_a_profile_without_a_base_is_no_decoder(tmp_path):
    values = {"name": "words", "task": "captions alone", "licence": "none", "family": "pocket"}
    with pytest.raises(ConfigError, match="model profile words has no base to decode with: use --decoder pocket"):
        check_decoding(str(write_profile(tmp_path, values)))
