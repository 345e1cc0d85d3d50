"""Training beside tiny bases of random weights: every stage on every family, resumed runs, and what is exported."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch

from receiver.hub.load import load_model
from receiver.hub.pipeline import HubPipeline
from shared.errors import SetupError
from shared.hub.files import find_profile
from shared.hub.profile import ModelProfile
from shared.hub.registry import load_profile
from shared.validation import validate
from tests.hub.tiny import BUILDERS, profile_values
from training.data import REPOSITORY
from training.hub.__main__ import main
from training.hub.examples import Examples, prepare_examples
from training.hub.export import export, load_stages
from training.hub.network import TRAINED, make_network
from training.hub.recipe import HubRecipe
from training.loop import Plan, load_trained_weights, train
from training.pocket.pairs import SIDE, Pairs

CPU = torch.device("cpu")
PLAN = Plan(steps=2, batch=2, side=64, rate=1e-2, precision="no", log_every=1, save_every_s=0)
FAMILIES = tuple(BUILDERS)


@pytest.fixture(scope="session")
def bases(tmp_path_factory):
    """Profiles with a tiny base each, by family."""
    root = tmp_path_factory.mktemp("bases")
    return {
        name: validate(ModelProfile, profile_values(name, name, BUILDERS[name](root / name), strength=0.5))
        for name in FAMILIES
    }


def draw_examples(count, seed=0):
    rng = np.random.default_rng(seed)
    pictures = rng.integers(0, 256, (count, 8, 8, 3), np.uint8).repeat(SIDE // 8, 1).repeat(SIDE // 8, 2)
    return Examples(
        pictures=pictures,
        starts=pictures // 2 + 60,
        codes=rng.integers(0, 64, (count, 2, 64), np.uint8),
        latents=rng.integers(-3, 4, (count, 32, 14, 14)).astype(np.int16),
        best=np.stack([rng.permutation(32)[:16] for _ in range(count)]).astype(np.int16),
        captions=tuple(f"a dog {number}" for number in range(count)),
    )


@pytest.fixture(scope="module")
def examples():
    return draw_examples(5), draw_examples(1, seed=1)


def make_recipe(profile, stage, examples, runs=None, **options):
    network = make_network(profile, stage, examples[0].captions, CPU, **options)
    if runs is not None:
        load_stages(network, runs, before=stage)
    return HubRecipe(stage, network, *examples, PLAN.side)


@pytest.mark.parametrize(
    ("family", "stage"),
    [("stable-diffusion", "control"), ("stable-diffusion", "tokens"), *((family, "joint") for family in FAMILIES)],
)
def test_two_steps_of_every_stage_change_what_it_trains_only(family, stage, bases, examples, tmp_path):
    recipe = make_recipe(bases[family], stage, examples)
    before = {name: value.clone() for name, value in recipe.network.state_dict().items()}
    with torch.random.fork_rng():
        train(recipe, PLAN, tmp_path)
    changed = {
        name.split(".")[1] for name, value in recipe.network.state_dict().items() if (value != before[name]).any()
    }
    assert changed == set(TRAINED[stage])
    assert (tmp_path / "samples-000002.png").exists()
    assert all(torch.isfinite(value).all() for value in load_trained_weights(tmp_path / "checkpoint.pt").values())


def test_a_run_that_was_killed_goes_on_to_the_same_weights(bases, examples, tmp_path):
    plan, profile = replace(PLAN, steps=3), bases["stable-diffusion"]
    train(make_recipe(profile, "joint", examples), plan, tmp_path / "whole")
    killed = make_recipe(profile, "joint", examples)
    draw = killed.batch
    killed.batch = lambda rng, count, side: draw(rng, count, side) if killed_steps.pop() else 1 / 0
    killed_steps = [False, True, True]
    with pytest.raises(ZeroDivisionError):
        train(killed, plan, tmp_path / "killed")
    train(make_recipe(profile, "joint", examples), plan, tmp_path / "killed", resume=True)
    whole, resumed = (load_trained_weights(tmp_path / name / "checkpoint.pt") for name in ("whole", "killed"))
    assert whole.keys() == resumed.keys()
    assert all(torch.equal(value, resumed[name]) for name, value in whole.items())


SCRIPT = """
import os, sys
from dataclasses import replace
from pathlib import Path
import torch
from tests.training.hub.test_hub_training import *

folder, rank = Path(sys.argv[1]), int(os.environ["RANK"])
profile = load_profile(str(folder / "tiny.yaml"))
recipe = make_recipe(profile, "joint", (draw_examples(5), draw_examples(1, seed=1)))
train(recipe, replace(PLAN, steps=4), folder / "out")
torch.save(recipe.network.state_dict(), folder / f"rank-{rank}.pt")
"""


@pytest.mark.slow
def test_several_processes_take_the_same_steps(bases, tmp_path):
    (tmp_path / "tiny.yaml").write_text(bases["stable-diffusion"].model_dump_json(exclude_none=True))
    (tmp_path / "script.py").write_text(SCRIPT)
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY)}
    command = [*launch, str(tmp_path / "script.py"), str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=250, env=environment)
    assert done.returncode == 0, done.stderr
    first, second = (torch.load(tmp_path / f"rank-{rank}.pt") for rank in (0, 1))
    assert all(torch.equal(value, second[name]) for name, value in first.items())
    weights = load_trained_weights(tmp_path / "out" / "checkpoint.pt")
    assert weights
    assert all(torch.isfinite(value).all() for value in weights.values())
    rows = [json.loads(line) for line in (tmp_path / "out" / "log.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows if "loss" in row] == [1, 2, 3, 4]


def generate(model, profile, conditions, start):
    return HubPipeline(model, profile, CPU).generate(start, conditions, [5], 2)


@pytest.mark.parametrize(
    "lora_rank",
    [
        0,
        pytest.param(
            2,
            marks=pytest.mark.skipif(
                importlib.util.find_spec("peft") is None, reason="peft is not installed: pip install peft"
            ),
        ),
    ],
)
def test_what_is_exported_decodes_as_what_was_trained(lora_rank, bases, examples, tmp_path):
    profile, runs = bases["stable-diffusion"], tmp_path / "runs"
    for stage in TRAINED:
        train(make_recipe(profile, stage, examples, runs, lora_rank=lora_rank), PLAN, runs / stage)
    file = export(profile, runs, tmp_path / "mine", CPU, lora_rank=lora_rank)
    exported = load_profile(str(file))
    model = load_model(exported, find_profile(exported), CPU)
    trained = make_network(profile, "joint", examples[0].captions, CPU, lora_rank=lora_rank).eval()
    untrained = generate(trained.model, trained.profile, *shown(trained, examples))
    assert load_stages(trained, runs) == list(TRAINED)
    made = generate(trained.model, trained.profile, *shown(trained, examples))
    assert torch.allclose(generate(model, exported, *shown(trained, examples)), made, atol=1e-5)
    assert not torch.allclose(untrained, made, atol=1e-3)


def shown(network, examples):
    recipe = HubRecipe("joint", network, *examples, PLAN.side)
    batch = recipe._load_held_out(0)
    return network.make_conditions(batch), batch["start"]


def test_starts_and_tokens_are_computed_once(bases, tmp_path, synthetic_pixels):
    pictures = np.stack([synthetic_pixels(SIDE, SIDE, seed=seed) for seed in range(2)])
    pairs = Pairs(pictures, pictures[:, ::4, ::4], ("a dog", ""))
    made = prepare_examples(pairs, tmp_path, 2, bases["stable-diffusion"])
    assert made.starts.shape == pictures.shape
    assert made.codes.shape == (2, 2, 64)
    assert (made.codes[0] != made.codes[1]).any()
    assert made.latents.shape == (2, 32, 14, 14)
    times = [path.stat().st_mtime_ns for path in sorted(tmp_path.iterdir())]
    prepare_examples(pairs, tmp_path, 2, bases["stable-diffusion"])
    assert [path.stat().st_mtime_ns for path in sorted(tmp_path.iterdir())] == times


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["pocket", "train", "control"], "recipes of its own"),
        (["nothing", "train", "control"], "unknown model profile"),
        (["PROFILE", "--runs", "RUNS", "export", "RUNS/mine"], "nothing was trained"),
        (["PROFILE", "--runs", "RUNS", "export", "RUNS/My_Model"], "name = 'My_Model'"),
    ],
)
def test_a_wrong_command_is_one_line(given, said, bases, tmp_path, capsys):
    file = tmp_path / "tiny.yaml"
    file.write_text(bases["stable-diffusion"].model_dump_json(exclude_none=True))
    words = [one.replace("PROFILE", str(file)).replace("RUNS", str(tmp_path)) for one in given]
    assert main(words) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1


@pytest.mark.skipif(importlib.util.find_spec("peft") is not None, reason="peft is installed")
def test_low_rank_changes_need_peft(bases):
    with pytest.raises(SetupError, match="needs the package peft"):
        make_network(bases["stable-diffusion"], "joint", (), CPU, lora_rank=2)
