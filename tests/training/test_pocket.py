"""The recipes of the pocket decoder, on tiny networks and synthetic pictures."""

from __future__ import annotations

import json
import sys

import numpy as np
import pytest
import torch
from PIL import Image

from shared.errors import SetupError

pytestmark = pytest.mark.filterwarnings("ignore")  # accelerate's and diffusers' own


def waves(count, side, seed=0):
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[0:side, 0:side]
    return np.stack(
        [
            np.stack([np.sin(rows * a + columns * b) * 90 + 128 for a, b in rng.uniform(0.01, 0.15, (3, 2))], -1)
            for _ in range(count)
        ]
    ).astype(np.uint8)


FEATURES, TEXT = 40, 384
HELD_OUT_SIDE = 96  # validation takes pictures of any size; small ones are quick


@pytest.fixture(scope="module")
def pairs():
    from training.pocket.pairs import SIDE, Pairs

    pictures = waves(6, SIDE)
    quarters = np.stack([np.asarray(Image.fromarray(one).resize((SIDE // 4, SIDE // 4))) for one in pictures])
    return Pairs(pictures, quarters, ("",) * len(pictures))


def make_precomputed(pictures, seed=0):
    """Random arrays of the right shapes."""
    from training.pocket.precomputed import Precomputed

    rng = np.random.default_rng(seed)
    count, side = len(pictures), pictures.shape[1]
    return Precomputed(
        picture=pictures,
        seen=rng.random((count, 64, FEATURES)).astype(np.float16),
        seen_hci=rng.random((count, 64, FEATURES)).astype(np.float16),
        caption=rng.standard_normal((count, 5, TEXT)).astype(np.float16),
        captioned=np.ones((count, 5), np.uint8),
        latent=rng.integers(-2, 3, (count, 32, side // 16, side // 16)).astype(np.float16),
        region=rng.standard_normal((count, 3, TEXT)).astype(np.float16),
        region_mask=np.ones((count, 3, 8, 8), np.uint8),
    )


def token_networks():
    from sender.extractors.token_network import TokenNetwork
    from shared.tokens.stream import TokenKind

    return {kind: TokenNetwork(FEATURES, TEXT, uses_context=kind is TokenKind.RSRT) for kind in TokenKind}


def recipe(stage, pairs):
    from receiver.pocket.rrdbnet import RRDBNet
    from shared.tokens.stream import TokenKind
    from training.pocket.losses import Weights
    from training.pocket.pairs import Pairs
    from training.pocket.pseudo_words import PseudoWordRecipe
    from training.pocket.restorer import RestorerRecipe

    small, quarter = HELD_OUT_SIDE, HELD_OUT_SIDE // 4
    held_out = Pairs(pairs.pictures[:1, :small, :small], pairs.quarters[:1, :quarter, :quarter], ("",))
    torch.manual_seed(0)
    if stage == "restorer":
        return RestorerRecipe(pairs, held_out, RRDBNet(8, 4, 1), Weights(lpips_vgg=0.0, adversarial=0.1))
    precomputed, held_out_rows = make_precomputed(pairs.pictures[:, :32, :32]), make_precomputed(held_out.pictures)
    return PseudoWordRecipe(precomputed, held_out_rows, token_networks()[TokenKind.SPW], torch.nn.Linear(FEATURES, 10))


def rows(out):
    return [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]


def test_a_killed_run_that_is_resumed_equals_an_uninterrupted_one(pairs, tmp_path):
    from dataclasses import replace

    from training.loop import Plan, train

    plan = Plan(steps=4, batch=2, side=32, rate=1e-3, muon_rate=1e-3, log_every=1, sample_every=4, precision="no")
    whole = train(recipe("restorer", pairs), plan, tmp_path / "whole")
    killed = recipe("restorer", pairs)
    calls = iter(range(100))
    draw = killed.batch

    def interrupted(*arguments):
        if next(calls) == 2:
            raise KeyboardInterrupt
        return draw(*arguments)

    killed.batch = interrupted
    with pytest.raises(KeyboardInterrupt):
        train(killed, replace(plan, save_every_s=0.0), tmp_path / "killed")
    resumed = train(recipe("restorer", pairs), plan, tmp_path / "killed", resume=True)
    for ours, theirs in zip(resumed.parameters(), whole.parameters(), strict=True):
        assert torch.equal(ours, theirs)
    losses = [[row["loss"] for row in rows(tmp_path / name) if "loss" in row] for name in ("whole", "killed")]
    assert losses[0] == losses[1]
    assert len(set(losses[0])) == 4


@pytest.mark.parametrize("stage", ["restorer", "spw"])
def test_training_lowers_what_it_minimises(stage, pairs, tmp_path):
    from training.loop import Plan, train

    learner = recipe(stage, pairs)
    drawn = learner.batch(np.random.default_rng(0), 2, 32)
    learner.batch = lambda *_: drawn  # the same crops in every step, so that the measure falls steadily
    steps, rate = (12, 1e-2) if stage == "restorer" else (10, 3e-3)
    plan = Plan(steps=steps, batch=2, side=32, rate=rate, log_every=1, sample_every=steps, precision="no")
    train(learner, plan, tmp_path)
    measure = "features" if stage == "spw" else "pixel"
    values = [row[measure] for row in rows(tmp_path) if measure in row]
    assert len(values) == steps
    assert values[-1] < 0.9 * values[0]
    assert "validation" in rows(tmp_path)[-1]
    with Image.open(next(tmp_path.glob("samples-*.png"))) as grid:
        assert grid.height >= HELD_OUT_SIDE
    assert (tmp_path / "loss.png").stat().st_size > 1000


def test_training_lowers_the_loss_of_the_fallback_image_with_and_without_words(pairs, tmp_path):
    from receiver.pocket.fallback import FallbackSynthesis
    from training.loop import Plan, train
    from training.pocket.fallback import FallbackRecipe

    dark, middle = pairs.pictures[:2, :HELD_OUT_SIDE, :HELD_OUT_SIDE] // 3
    precomputed = make_precomputed(np.stack([dark, middle + 80]))
    torch.manual_seed(0)
    learner = FallbackRecipe(precomputed, precomputed, FallbackSynthesis(), token_networks())
    before, _ = learner.validation(learner.network)
    plan = Plan(steps=60, batch=4, rate=1.5e-3, ema_decay=0.9, sample_every=60, precision="no")
    after, grid = learner.validation(train(learner, plan, tmp_path))
    assert after["loss_nothing"] < 0.9 * before["loss_nothing"]
    assert after["loss_prompt"] < after["loss_nothing"]
    assert grid.width >= 5 * HELD_OUT_SIDE // 4


def test_pairs_come_from_the_codec_itself(tmp_path):
    from training.pocket.pairs import SenderChoice, prepare_pairs

    for index, picture in enumerate(waves(3, 240)):
        Image.fromarray(picture).save(tmp_path / f"{index}.png")
    choices = [SenderChoice(0.02, "av1", 4, 40)]
    pairs = prepare_pairs(tmp_path, tmp_path / "cache", choices, count=2)
    again = prepare_pairs(tmp_path, tmp_path / "cache", choices, count=2)
    assert pairs.pictures.shape == (2, 224, 224, 3)
    assert pairs.quarters.shape == (2, 56, 56, 3)
    assert np.array_equal(pairs.quarters, again.quarters)
    reduced = np.stack([np.asarray(Image.fromarray(one).resize((56, 56), 1)) for one in pairs.pictures])
    assert 0 < np.abs(pairs.quarters.astype(int) - reduced).mean() < 40
    crops, quarters = pairs.crops(np.random.default_rng(0), 5, 64)
    assert crops.shape == (5, 64, 64, 3)
    assert quarters.shape == (5, 16, 16, 3)


def test_nothing_to_train_on_is_one_line(tmp_path, monkeypatch, capsys):
    from training.pocket.__main__ import main

    command = ["training.pocket", "--data", str(tmp_path), "--runs", str(tmp_path / "runs"), "pairs"]
    monkeypatch.setattr(sys, "argv", command)
    assert main() == 2
    message = f"error: no train-*.parquet and no picture files in {tmp_path}: name a folder with --data\n"
    assert capsys.readouterr().err == message


def test_nothing_to_resume_from_is_said(pairs, tmp_path):
    from training.loop import Plan, train

    with pytest.raises(SetupError, match="train without --resume first"):
        train(recipe("restorer", pairs), Plan(steps=1, precision="no"), tmp_path, resume=True)


def test_precomputed_arrays_are_continued_and_made_anew_for_other_pairs(pairs, tmp_path):
    from training.pocket.precomputed import Source, complete

    made = []

    def doubled(part, first):
        if len(made) == 2:
            raise KeyboardInterrupt
        made.append(first)
        return {"twice": part.quarters[:, 0, 0].astype(np.uint16) * 2}

    many = type(pairs)(*(np.concatenate([part] * 4) for part in (pairs.pictures, pairs.quarters)), ("",) * 24)
    with pytest.raises(KeyboardInterrupt):
        complete(Source("doubling", "1", doubled), many, tmp_path)
    made.append("a new process")
    complete(Source("doubling", "1", doubled), many, tmp_path)
    assert made == [0, 8, "a new process", 16]
    assert np.array_equal(np.load(tmp_path / "twice.npy"), many.quarters[:, 0, 0].astype(np.uint16) * 2)
    complete(Source("doubling", "2", doubled), many, tmp_path)
    complete(Source("doubling", "2", doubled), many[4:], tmp_path)
    assert made[4:] == [0, 8, 16, 0, 8, 16]
    assert len(np.load(tmp_path / "twice.npy")) == 20
    complete(Source("doubling", "3", doubled), many[:8], tmp_path)
    complete(Source("doubling", "3", doubled), many, tmp_path)
    assert made[10:] == [0, 8, 16]
    assert np.array_equal(np.load(tmp_path / "twice.npy"), many.quarters[:, 0, 0].astype(np.uint16) * 2)
