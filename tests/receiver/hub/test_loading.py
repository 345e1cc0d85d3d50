"""A fault in the files of a model profile is one line, with the way out."""

from __future__ import annotations

import json
import shutil

import pytest
import safetensors.torch

from receiver.hub.decoder import HubDecoder
from shared.errors import LimitError, LinkError, SetupError
from shared.hub import loading
from shared.hub.libraries import diffusers, transformers
from shared.hub.profile import ModelProfile
from shared.validation import validate
from tests.hub.tiny import REVISION, profile_values, put_into_cache
from tests.receiver.hub.conftest import decode, make_guidance

WEIGHTS = "unet/diffusion_pytorch_model.safetensors"


@pytest.fixture
def base(tiny_hub, tmp_path):
    """A copy of the tiny base, to be spoilt."""
    return shutil.copytree(tiny_hub["stable-diffusion"], tmp_path / "base")


def load(base, **changes):
    HubDecoder(validate(ModelProfile, profile_values("tiny", "stable-diffusion", base, **changes)), "cpu").load()


def change_weights(path, change):
    tensors = safetensors.torch.load_file(path)
    safetensors.torch.save_file(change(tensors), path, {"format": "pt"})


def drop_one(tensors):
    return {name: tensor for name, tensor in tensors.items() if name != "conv_in.weight"}


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda base: change_weights(base / WEIGHTS, drop_one), "unet lacks conv_in.weight of UNet2DConditionModel"),
        (
            lambda base: change_weights(base / WEIGHTS, lambda one: one | {"conv_in.bias": one["conv_in.bias"][:3]}),
            "unet does not load as UNet2DConditionModel",
        ),
        (
            lambda base: (base / "unet" / "config.json").write_text(
                json.dumps({"_class_name": "UNet2DConditionModel", "block_out_channels": "many"})
            ),
            "unet does not load as UNet2DConditionModel",
        ),
        (lambda base: (base / "tokenizer" / "vocab.json").write_text("?"), "tokenizer is no tokenizer"),
        (lambda base: (base / WEIGHTS).write_bytes((base / WEIGHTS).read_bytes()[:-9]), "is damaged, it has"),
        (lambda base: (base / WEIGHTS).unlink(), "is missing"),
    ],
)
def test_spoilt_files_are_a_setup_error_of_one_line(spoil, message, base):
    spoil(base)
    with pytest.raises(SetupError) as raised:
        load(base)
    assert message in str(raised.value)
    assert str(base) in str(raised.value)
    assert "or change the profile tiny" in str(raised.value)
    assert "\n" not in str(raised.value)


def test_weights_that_are_not_finite_are_found_when_they_are_used(base):
    change_weights(base / WEIGHTS, lambda tensors: {name: tensor * float("inf") for name, tensor in tensors.items()})
    profile = validate(ModelProfile, profile_values("tiny", "stable-diffusion", base))
    with pytest.raises(SetupError, match="tiny: a network's output is not finite; use dtype bfloat16 or float32"):
        decode(HubDecoder(profile, "cpu"), make_guidance())


def test_code_in_a_repository_is_never_run(base, tmp_path):
    for folder in ("unet", "text_encoder"):
        config = json.loads((base / folder / "config.json").read_text())
        (base / folder / "config.json").write_text(json.dumps(config | {"auto_map": {"AutoModel": "evil.Model"}}))
        (base / folder / "evil.py").write_text(f"open({str(tmp_path / 'run')!r}, 'w')")
    load(base)
    assert not (tmp_path / "run").exists()


def test_a_cached_base_decodes_offline_at_its_revision_only(base, tmp_path, monkeypatch, decoders):
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    put_into_cache(base, tmp_path / "cache", "tiny/base")
    profile = validate(ModelProfile, profile_values("tiny", "stable-diffusion", "tiny/base"))
    assert (decode(HubDecoder(profile, "cpu")) == decode(decoders.make())).all()
    other = profile.model_copy(update={"base": profile.base.model_copy(update={"revision": "e" * 40})})
    with pytest.raises(
        SetupError, match=f"base tiny/base@e{{12}} is not cached; the cache has revision {REVISION[:12]}"
    ):
        HubDecoder(other, "cpu").load()


def test_the_autoencoder_is_never_quantised(base, monkeypatch):
    """Its number type may have to be float32, which a quantised network cannot change to."""
    asked = []

    def record(kind):
        def from_pretrained(path, **settings):
            asked.append((kind, "quantization_config" in settings))
            return real[kind](path, **{name: one for name, one in settings.items() if name != "quantization_config"})

        return from_pretrained

    kinds = (diffusers.AutoencoderKL, diffusers.UNet2DConditionModel, transformers.CLIPTextModel)
    real = {kind: kind.from_pretrained for kind in kinds}
    for kind in kinds:
        monkeypatch.setattr(kind, "from_pretrained", record(kind))
    monkeypatch.setattr(loading, "quantisation_config", lambda *_: "as configured")
    load(base, memory={"quantisation": "4bit"})
    assert dict(asked) == {kinds[0]: False, kinds[1]: True, kinds[2]: True}


@pytest.mark.parametrize("error", [MemoryError(), RuntimeError("CUDA out of memory. Tried to allocate 2 GiB")])
def test_too_little_memory_while_files_are_read_is_a_limit(error, base, monkeypatch):
    def fail(*_, **__):
        raise error

    monkeypatch.setattr(diffusers.UNet2DConditionModel, "from_pretrained", fail)
    with pytest.raises(LimitError, match=r"base of model profile tiny does not fit .* or use --decoder pocket"):
        load(base)


def test_quantisation_needs_a_gpu(base):
    with pytest.raises(LinkError, match=r"memory\.quantisation = 8bit needs a CUDA GPU, and the device is cpu"):
        load(base, memory={"quantisation": "8bit"})


def test_a_machine_without_diffusers_decodes_with_no_profile(base, monkeypatch):
    monkeypatch.setattr("receiver.hub.load.diffusers", None)
    with pytest.raises(SetupError, match="tiny needs the package diffusers to decode: pip install diffusers"):
        load(base)
