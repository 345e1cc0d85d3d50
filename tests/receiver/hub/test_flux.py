"""FLUX: packed latents, and a control branch that is fed by GSC's latent channels."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from receiver.hub.flux import MULTI_STREAM_BLOCKS, SINGLE_STREAM_BLOCKS, new_control_branch, pack, unpack
from shared.errors import SetupError
from shared.hub.libraries import diffusers
from shared.latent.coder import LatentChannels
from tests.hub.tiny import seeded
from tests.receiver.hub.conftest import HEIGHT, WIDTH, decode, difference, make_guidance


def channels(*ids: int, seed: int = 0) -> LatentChannels:
    values = np.random.default_rng(seed).integers(-6, 7, (len(ids), HEIGHT // 16, WIDTH // 16)).astype(np.int16)
    return LatentChannels(ids, values)


@pytest.fixture
def control(decoders):
    source = {"source": {"at": str(decoders.folders["flux-control"])}}
    return lambda feed: decoders.make("flux", controlnet=source | {"input": feed})


def test_packed_positions_are_those_of_the_pipeline_of_diffusers():
    latent = torch.randn(2, 16, 6, 10)
    packed = diffusers.FluxPipeline._pack_latents(latent, 2, 16, 6, 10)
    assert torch.equal(pack(latent), packed)
    assert torch.equal(unpack(packed, 3, 5), latent)


def test_a_new_control_branch_copies_blocks_and_changes_nothing(tiny_hub):
    transformer = diffusers.FluxTransformer2DModel.from_pretrained(tiny_hub["flux"] / "transformer")
    branch = new_control_branch(transformer)
    assert len(branch.transformer_blocks) == MULTI_STREAM_BLOCKS == 4
    assert len(branch.single_transformer_blocks) == SINGLE_STREAM_BLOCKS == 2
    for mine, theirs in zip(branch.transformer_blocks, transformer.transformer_blocks, strict=True):
        assert all(torch.equal(a, b) for a, b in zip(mine.parameters(), theirs.parameters(), strict=True))
    assert all(not module.weight.any() for module in (*branch.controlnet_blocks, branch.controlnet_x_embedder))


def test_latent_channels_guide_by_the_control_branch(control, decoders):
    decoder = control("latent")
    plain = decode(decoders.make("flux"))
    assert np.array_equal(decode(decoder), plain)  # no channels arrived
    two = decode(decoder, make_guidance(latent=channels(0, 5)))
    assert difference(two, plain) > 2
    assert difference(two, decode(decoder, make_guidance(latent=channels(0, 5, seed=1)))) > 0
    assert difference(two, decode(decoder, make_guidance(latent=channels(0, 6)))) > 0
    assert np.array_equal(decode(decoders.make("flux"), make_guidance(latent=channels(0, 5))), plain)


def test_a_branch_may_have_other_numbers_of_blocks(decoders, tmp_path, tiny_hub):
    transformer = diffusers.FluxTransformer2DModel.from_pretrained(tiny_hub["flux"] / "transformer")
    branch = new_control_branch(transformer, 2, 1)
    with seeded():
        for module in (*branch.controlnet_blocks, *branch.controlnet_single_blocks, branch.controlnet_x_embedder):
            torch.nn.init.normal_(module.weight, std=0.3)
    branch.save_pretrained(tmp_path)
    decoder = decoders.make("flux", controlnet={"source": {"at": str(tmp_path)}, "input": "latent"})
    found = decoder.load().model.controlnet
    assert (len(found.transformer_blocks), len(found.single_transformer_blocks)) == (2, 1)
    assert difference(decode(decoder, make_guidance(latent=channels(0, 5))), decode(decoders.make("flux"))) > 2


def test_the_hci_guides_by_the_control_branch(control, decoders):
    assert difference(decode(control("hci")), decode(decoders.make("flux"))) > 2


def test_without_an_hci_latent_channels_and_words_make_a_picture(control, tiny_pocket):
    decoder = control("latent")
    one = decode(decoder, make_guidance(with_hci=False, latent=channels(0, 1)))
    other = decode(decoder, make_guidance("a snowy hill", with_hci=False, latent=channels(0, 1)))
    assert difference(one, other) > 0


def test_a_branch_with_other_inputs_is_refused(decoders, tmp_path, tiny_hub):
    transformer = diffusers.FluxTransformer2DModel.from_pretrained(tiny_hub["flux"] / "transformer")
    settings = dict(new_control_branch(transformer).config) | {"in_channels": 32}
    diffusers.FluxControlNetModel.from_config(settings).save_pretrained(tmp_path)
    with pytest.raises(SetupError, match="the control branch takes 32 channels, and a packed latent has 64"):
        decoders.make("flux", controlnet={"source": {"at": str(tmp_path)}, "input": "latent"}).load()
