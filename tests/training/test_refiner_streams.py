"""The refiner's recipe with all streams, on tiny networks and made-up pairs."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from tests.training.refiner_pairs import SIDE, make_pairs
from tests.training.tiny_refiner import make_refiner

pytestmark = pytest.mark.filterwarnings("ignore")  # accelerate's and diffusers' own


def make_recipe(pairs, *, random=False, **weights):
    from receiver.pocket.prompt import PromptEmbedding
    from training.pocket.losses import Weights
    from training.pocket.refiner import RefinerRecipe

    refiner = make_refiner(random=random)
    return RefinerRecipe(pairs, make_pairs(1, 2), refiner, PromptEmbedding(), Weights(**{"lpips_vgg": 0.0, **weights}))


def all_streams(start="restored"):
    from training.pocket.stream_subsets import Subset, Words

    return Subset(
        start, codes=True, channels=np.ones(32, np.uint8), words=Words(caption=True, pseudo_words=64, regions=True)
    )


def plan(**changes):
    from training.loop import Plan

    short = Plan(steps=2, batch=2, side=64, rate=1e-3, log_every=1, sample_every=100, precision="no")
    return replace(short, **changes)


@pytest.fixture(scope="module")
def pairs():
    return make_pairs()


def test_crops_are_parts_of_their_pairs(pairs):
    from training.pocket.refiner_pairs import PLACED

    one, part = (pairs.crop(1, all_streams(), *where) for where in ((0, 0, SIDE), (2, 3, 64)))
    strides = {"picture": 1, "start": 1, "codes": 32, "latent": 16, "regions": 4, "hci": 4}
    assert set(strides) == set(PLACED)
    for name, stride in strides.items():
        y, x, length = 64 // stride, 96 // stride, 64 // stride
        assert np.array_equal(part[name], one[name][..., y : y + length, x : x + length]), name
    assert np.array_equal(one["regions"][:, ::7, ::7], pairs.region_mask[1])
    assert one["given"].sum() == 1 + 24 + 64 + 3


def test_a_stream_that_is_absent_is_zero_and_not_available(pairs):
    from training.pocket.stream_subsets import Subset

    bare = pairs.crop(0, Subset(), 0, 0, SIDE)
    assert (bare["codes"] == -1).all()
    assert bare["given"].sum() == 1
    assert not any(bare[name].any() for name in ("latent", "received", "regions"))
    assert bare["hci"].all()
    assert np.array_equal(pairs.crop(2, Subset("sliced"), 0, 0, SIDE)["hci"][0], pairs.sliced_received[0])
    lost = {start: pairs.crop(4, Subset(start), 0, 0, SIDE) for start in ("fallback", "layout")}
    assert not any(one["hci"].any() for one in lost.values())
    assert lost["fallback"]["received"].all()
    assert not lost["layout"]["received"].any()
    assert all(one["given"].sum() == 1 + 24 + 8 + 3 for one in lost.values())  # those of the fallback image


def test_every_stream_is_missing_from_some_crops(pairs):
    from training.pocket.stream_subsets import draw_start

    rng = np.random.default_rng(0)
    starts = [draw_start(rng) for _ in range(2000)]
    assert 0.14 < np.mean([start in ("fallback", "layout") for start in starts]) < 0.19
    batch = pairs.draw(rng, 100, 64)
    for has in (
        (batch["codes"] >= 0).flatten(1).any(1),
        batch["received"].any(1),
        batch["regions"].flatten(1).any(1),
        batch["given"][:, 1:25].any(1),
        batch["given"][:, 25:89].any(1),
        batch["hci"].flatten(1).all(1),
    ):
        assert 0.2 < has.float().mean() < 0.9
    partly = (batch["codes"] >= 0).float().flatten(1).mean(1)
    assert ((partly > 0) & (partly < 1)).any()


def test_a_mirrored_crop_has_no_latent_channels(pairs):
    batch = pairs.draw(np.random.default_rng(1), 60, 96)
    starts = np.concatenate([pairs.restored, pairs.sliced])  # the received half of a sliced one has its HCI too
    parts = [starts[i, 32 * y : 32 * y + 96, 32 * x : 32 * x + 96] for i, y, x in np.ndindex(len(starts), 5, 5)]
    known = {part.tobytes() for part in parts}
    for start, received, hci in zip(batch["start"], batch["received"], batch["hci"], strict=True):
        pixels = (start * 255).round().byte().permute(1, 2, 0).numpy()
        if hci.all() and pixels.tobytes() not in known:
            assert not received.any()


def test_the_gradient_of_every_stream_reaches_its_input(pairs):
    network = make_recipe(pairs, random=True, lpips_vgg=0.5, dists=0.1).network
    batch = {**pairs.whole(1, all_streams()), "time": torch.ones(1), "corner": torch.tensor([0, 0])}
    batch["noise"] = torch.zeros_like(batch["start"])
    inputs = ("start", "latent", "regions", "hci", "caption", "pseudo_words", "region")
    for name in inputs:
        batch[name].requires_grad_()
    network(batch)["loss"].backward()
    assert all(float(batch[name].grad.abs().sum()) > 0 for name in inputs)
    assert float(network.refiner.places.codes.weight.grad.abs().sum()) > 0
    assert all(parameter.grad is None for parameter in network.prompt_embedding.parameters())


def test_an_absent_stream_changes_nothing_and_a_present_one_does(pairs):
    from training.pocket.stream_subsets import Subset

    network = make_recipe(pairs, random=True).network
    absent, full = pairs.whole(1, Subset()), pairs.whole(1, all_streams())
    bare = network.rebuild(absent, 0)
    for name in ("caption", "pseudo_words", "region"):
        assert torch.equal(network.rebuild({**absent, name: absent[name] + 1}, 0), bare), name
    for names in (("codes",), ("latent", "received"), ("regions",)):
        assert not torch.equal(network.rebuild({**absent, **{name: full[name] for name in names}}, 0), bare), names
    for first, last in ((1, 25), (25, 89), (89, 92)):
        given = absent["given"].clone()
        given[:, first:last] = 1
        words = {"given": given, "regions": full["regions"]}
        before = network.rebuild({**absent, "regions": full["regions"]}, 0)
        assert not torch.equal(network.rebuild({**absent, **words}, 0), before), first


def test_training_learns_to_read_the_codes_and_logs_every_stream(pairs, tmp_path):
    from training.loop import train

    train(make_recipe(pairs), plan(steps=40, batch=4, side=32, rate=3e-3, ema_decay=0.7, sample_every=40), tmp_path)
    rows = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    measures = rows[-1]["validation"]
    assert measures["codes_psnr_db"] > measures["bare_psnr_db"] + 3
    assert measures["psnr_db"] > measures["restored_psnr_db"] + 3
    streams = ("codes_", "caption_", "pseudo_words_", "regions_", "latent_", "bare_", "fallback_", "layout_codes_")
    assert all(f"{prefix}lpips_alex" in measures for prefix in streams)
    assert {"lpips_vgg", "dists", "code_bits", "fallback_start_lpips_alex"} <= measures.keys()
    with Image.open(tmp_path / "samples-000040.png") as grid:
        assert grid.size == (5 * SIDE, SIDE)


def test_a_killed_run_takes_the_same_steps_and_its_checkpoint_starts_a_longer_plan(pairs, tmp_path):
    from training.loop import load_plan, train

    def make():
        recipe = make_recipe(pairs)
        recipe.validation = lambda _: ({}, Image.new("RGB", (1, 1)))  # it has a test of its own
        return recipe

    whole = train(make(), plan(steps=3), tmp_path / "whole")
    killed = make()
    draw, calls = killed.batch, iter(range(100))

    def interrupted(*arguments):
        if next(calls) == 2:
            raise KeyboardInterrupt
        return draw(*arguments)

    killed.batch = interrupted
    with pytest.raises(KeyboardInterrupt):
        train(killed, plan(steps=3, save_every_s=0.0), tmp_path / "killed")
    resumed = train(make(), plan(steps=3), tmp_path / "killed", resume=True)
    assert all(torch.equal(*two) for two in zip(resumed.parameters(), whole.parameters(), strict=True))
    train(make(), replace(load_plan(tmp_path / "killed", plan()), steps=4), tmp_path / "killed", resume=True)
    log = (tmp_path / "killed" / "log.jsonl").read_text().splitlines()
    assert [json.loads(line)["step"] for line in log if "loss" in line] == [1, 2, 3, 4]
