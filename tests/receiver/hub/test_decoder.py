"""Decoders of model profiles on tiny random models: what each input changes, and what must change nothing."""

from __future__ import annotations

import threading
from types import SimpleNamespace

import numpy as np
import pytest
from prometheus_client import CollectorRegistry

from receiver.decoder_registry import load_decoder
from receiver.decoders.base import DecodeOptions
from receiver.guidance import Guidance
from receiver.hub.decoder import HubDecoder
from receiver.telemetry import ReceiverMetrics
from shared.bitstream import PictureHeader
from shared.errors import ConfigError, LimitError, ServiceError
from shared.tokens.stream import TokenKind, Tokens
from tests.receiver.hub.conftest import HEIGHT, WIDTH, decode, difference, make_guidance, make_region

FAMILIES = ("stable-diffusion", "stable-diffusion-xl", "flux")


@pytest.mark.parametrize("family", FAMILIES)
def test_a_picture_follows_from_seed_words_hci_and_steps(family, decoders):
    decoder = decoders.make(family)
    first = decode(decoder)
    assert (first.shape, first.dtype) == ((HEIGHT, WIDTH, 3), np.uint8)
    assert np.array_equal(first, decode(decoder))
    assert difference(first, decode(decoder, seed=1)) > 2
    assert difference(first, decode(decoder, make_guidance("two white horses on a hill"))) > 2
    assert difference(first, decode(decoder, make_guidance(seed=1))) > 2
    assert difference(first, decode(decoder, steps=1)) > 2


@pytest.mark.parametrize("family", FAMILIES)
def test_a_batch_equals_its_pictures_alone(family, decoders):
    decoder = decoders.make(family)
    odd = make_guidance("a fox", 70, 65)
    grey = Guidance(PictureHeader(WIDTH, HEIGHT, grey=True), make_guidance(seed=3).hci, caption="snow")
    asked = [(make_guidance(), 0), (odd, 1), (make_guidance("a cat", seed=2), 2), (grey, 3), (make_guidance(None), 4)]
    requests = [(guidance, DecodeOptions(steps=2, seed=seed)) for guidance, seed in asked]
    together = decoder.reconstruct_many(requests)
    for request, made in zip(requests, together, strict=True):
        alone = decoder.reconstruct(*request)
        assert difference(made.pixels, alone.pixels) <= 1  # a batch adds in another order
        assert made.trust == pytest.approx(alone.trust, abs=0.01)
        header = request[0].header
        assert made.pixels.shape == ((header.height, header.width) if header.grey else (header.height, header.width, 3))


def test_words_lead_away_from_the_negative_prompt_with_guidance(decoders):
    plain, guided = decode(decoders.make()), decode(decoders.make(guidance_scale=6.0))
    assert difference(plain, guided) > 2
    other = decode(decoders.make(guidance_scale=6.0, negative_prompt="blurry, low quality"))
    assert difference(guided, other) > 2
    assert np.array_equal(plain, decode(decoders.make(guidance_scale=1.0, negative_prompt="blurry")))


def test_the_controlnet_is_fed_by_the_hci(decoders):
    with_it = decoders.make(controlnet=decoders.controlnet())
    assert difference(decode(decoders.make()), decode(with_it)) > 2
    half = decode(decoders.make(controlnet=decoders.controlnet(scale=0.5)))
    assert difference(decode(with_it), half) > 2
    off = decode(decoders.make(controlnet=decoders.controlnet(scale=0.0)))
    assert difference(off, decode(decoders.make())) == 0


def test_a_region_has_its_prompt_inside_its_mask(decoders):
    decoder = decoders.make()
    boats = make_guidance(regions=(make_region("boat", left=True),))
    horses = make_guidance(regions=(make_region("three white horses", left=True),))
    one, other = decode(decoder, boats, steps=1), decode(decoder, horses, steps=1)
    assert difference(one, other) > 2
    # The outputs differ left of the middle alone; beyond, only the autoencoder's reach and its mean carry them.
    assert difference(one[:, -24:], other[:, -24:]) < difference(one[:, :48], other[:, :48])
    plain = decoders.make(regional_prompts=False)
    assert difference(decode(plain, boats, steps=1), one) > 2
    assert difference(decode(decoder, boats), decode(decoder, horses)) > 2  # the last of two steps has none


def test_token_adapters_change_words_and_control(decoders, tiny_hub):
    adapters = {"at": str(tiny_hub["adapters"])}
    decoder = decoders.make(adapters=adapters)
    plain = decode(decoders.make())
    assert np.array_equal(decode(decoder), plain)  # no tokens arrived
    found = {}
    for kind in TokenKind:
        for codes in (tuple(range(8)), tuple(range(40, 48))):
            found[kind, codes] = decode(decoder, make_guidance(tokens=Tokens(kind, codes)))
    pictures = [plain, *found.values()]
    assert all(difference(a, b) > 0 for place, a in enumerate(pictures) for b in pictures[:place])
    fed = decoders.make(adapters=adapters, controlnet=decoders.controlnet("tokens"))
    tokens = make_guidance(tokens=Tokens(TokenKind.RSRT, tuple(range(8))))
    by_hci = decoders.make(adapters=adapters, controlnet=decoders.controlnet("hci"))
    assert difference(decode(fed, tokens), decode(by_hci, tokens)) > 0
    assert np.array_equal(decode(decoders.make(), tokens), plain)  # without weights: caption and HCI alone


def test_one_step_takes_the_latent_as_the_sample_of_a_time_by_rate(decoders):
    slow = decoders.make(steps=1, max_steps=1, one_step={"time_at_bpp": [[0.001, 0.2], [1.0, 0.2]]})
    by_rate = decoders.make(steps=1, max_steps=1, one_step={"time_at_bpp": [[0.001, 0.8], [1.0, 0.2]]})
    guidance = make_guidance()
    assert np.array_equal(decode(slow, guidance, steps=1), decode(slow, guidance, steps=1, seed=5))  # there is no noise
    assert difference(decode(slow, guidance, steps=1), decode(by_rate, guidance, steps=1)) > 2
    assert difference(decode(slow, guidance, steps=1), decode(decoders.make(), guidance, steps=1)) > 2


def test_fidelity_trust_and_no_steps_are_as_for_the_pocket_decoder(decoders):
    from receiver.decoders.upsample import UpsampleDecoder

    decoder, guidance = decoders.make(), make_guidance()
    enlarged = UpsampleDecoder().reconstruct(guidance, DecodeOptions()).pixels
    assert np.array_equal(decode(decoder, guidance, steps=0), enlarged)
    exact = decoder.reconstruct(guidance, DecodeOptions(steps=2))
    assert exact.fidelity == 1.0
    assert exact.trust_map.shape == (4, 6)
    assert difference(exact.pixels, enlarged) < difference(decode(decoder, guidance), enlarged)
    assert decoder.reconstruct(guidance, DecodeOptions(steps=2, fidelity=0.5, trust=False)).trust is None


def test_without_an_hci_the_other_streams_make_a_picture(decoders, tiny_pocket):
    decoder = HubDecoder(decoders.make()._profile, "cpu")
    words = make_guidance(with_hci=False)
    picture = decode(decoder, words)
    assert picture.shape == (HEIGHT, WIDTH, 3)
    assert difference(picture, decode(decoder, make_guidance("a green field", with_hci=False))) > 2
    empty = Guidance(PictureHeader(WIDTH, HEIGHT))
    assert np.array_equal(decode(decoder, empty), decode(decoder, empty, steps=0))


def test_a_start_by_the_pocket_decoder_is_restored_first(decoders, tiny_pocket):
    restored = HubDecoder(decoders.make(start="pocket")._profile, "cpu")
    assert difference(decode(restored), decode(decoders.make())) > 2


def test_a_large_picture_is_decoded_in_tiles(decoders):
    tiled, whole = decoders.make(memory={"tile_px": 64}), decoders.make()
    guidance = make_guidance(width=150, height=100)
    one, other = decode(tiled, guidance), decode(whole, guidance)
    assert one.shape == (100, 150, 3)
    assert np.array_equal(one, decode(tiled, guidance))
    assert 0 < np.abs(one.astype(int) - other.astype(int)).mean() < 20


def test_tiles_that_are_too_small_for_the_base_are_refused(decoders):
    from receiver.hub.pipeline import HubPipeline

    deep = SimpleNamespace(multiple=32)
    with pytest.raises(ConfigError, match=r"tile_px = 64: give a multiple of 256 and at least 1024"):
        HubPipeline(deep, decoders.make(memory={"tile_px": 64})._profile, "cpu")


class StopAfter(threading.Event):
    """Is set after ``count`` calls of ``is_set``."""

    def __init__(self, count: int) -> None:
        super().__init__()
        self.left = count

    def is_set(self) -> bool:
        self.left -= 1
        return self.left < 0


def test_a_call_that_ends_stops_within_a_step(decoders):
    decoder, options = decoders.make(memory={"tile_px": 64}), DecodeOptions(steps=2)
    asked = StopAfter(10_000)
    decoder.reconstruct(make_guidance(), options, asked)
    runs = 10_000 - asked.left
    assert runs > 8  # encode, a prompt, two steps and decode, each but the prompt in two tiles at least
    for count in range(runs):
        with pytest.raises(ServiceError, match="the decoding was stopped"):
            decoder.reconstruct(make_guidance(), options, StopAfter(count))


def test_memory_strategies_change_nothing_but_memory(decoders):
    plain = decode(decoders.make())
    for memory in ({"attention_slicing": True}, {"vae_slicing": True}, {"offload": "model"}):
        assert difference(plain, decode(decoders.make(memory=memory))) <= 1, memory
    tiled = decode(decoders.make(memory={"vae_tiling": True}))  # tiles of 64 pixels, which meet at some place
    assert 0 < np.abs(plain.astype(int) - tiled.astype(int)).mean() < 20


@pytest.mark.parametrize("offload", ["model", "sequential"])
@pytest.mark.parametrize("family", FAMILIES)
def test_offloaded_networks_give_the_same_picture(family, offload, decoders, tiny_hub, monkeypatch):
    """The CPU has nothing to offload from; the hooks are put on here all the same, with it as the device."""
    from shared.hub import memory

    guided = {"adapters": {"at": str(tiny_hub["adapters"])}, "controlnet": decoders.controlnet("tokens")}
    changes = guided if family == "stable-diffusion" else {}
    guidance = make_guidance(tokens=Tokens(TokenKind.RSRT, tuple(range(8))))
    plain = decode(decoders.make(family, **changes), guidance)
    monkeypatch.setattr(memory, "offload_on", lambda profile, device: profile.memory.offload)
    decoder = HubDecoder(decoders.make(family, **changes, memory={"offload": offload})._profile, "cpu")
    assert np.array_equal(decode(decoder, guidance), plain)
    assert np.array_equal(decode(decoder, guidance), plain)
    kept = {next(one.parameters()).device.type for one in decoder.load().model.networks}
    assert kept == ({"cpu"} if offload == "model" else {"meta", "cpu"} if changes else {"meta"})


def test_number_types_are_those_of_the_profile(decoders):
    import torch

    for dtype, expected in (("bfloat16", torch.bfloat16), ("float16", torch.float32), ("float32", torch.float32)):
        decoder = decoders.make(dtype=dtype)
        model = decoder.load().model
        assert {next(network.parameters()).dtype for network in model.networks} == {expected}
    assert 0 < difference(decode(decoders.make(dtype="bfloat16")), decode(decoders.make())) < 40


def test_a_device_without_room_is_a_limit(decoders, monkeypatch):
    from shared.hub import memory

    monkeypatch.setattr(memory, "free_bytes", lambda _: 1000)
    with pytest.raises(LimitError, match=r"model profile tiny needs .* free some, or use --decoder pocket"):
        HubDecoder(decoders.make()._profile, "cpu").load()


def test_a_decoder_names_its_models(decoders, tiny_pocket):
    decoder, registry = decoders.make(controlnet=decoders.controlnet()), CollectorRegistry()
    made = decoder.models
    assert [(one.part, one.model) for one in made] == [
        ("base", str(decoders.folders["stable-diffusion"])),
        ("controlnet", str(decoders.folders["controlnet"])),
    ]
    ReceiverMetrics(registry).show_models(decoder)
    labels = {"decoder": "tiny", "part": "base", "model": made[0].model, "revision": ""}
    assert registry.get_sample_value("semlink_model_info", labels) == 1
    (pocket,) = load_decoder("pocket", "cpu").models
    assert (pocket.model, len(pocket.revision)) == ("pocket", 12)
