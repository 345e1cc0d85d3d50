"""Runs of the pocket decoder's recipes that are killed, damaged, repeated or shared; and what they are made of."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from shared.errors import SetupError

pytestmark = pytest.mark.filterwarnings("ignore")  # accelerate's own


class Line(torch.nn.Module):
    """The least that can be trained."""

    def __init__(self):
        super().__init__()
        self.line = torch.nn.Linear(1, 1)

    def forward(self, batch):
        return {"loss": (self.line(batch["x"]) - 2 * batch["x"]).square().mean()}


class LineRecipe:
    """A straight line through the origin; ``drawn`` counts its batches and ``dies_at`` one of them."""

    name = "line"

    def __init__(self, dies_at=None):
        torch.manual_seed(0)
        self.network, self.drawn, self.dies_at = Line(), 0, dies_at

    def batch(self, rng, count, side):
        if self.drawn == self.dies_at:
            raise KeyboardInterrupt
        self.drawn += 1
        return {"x": torch.from_numpy(rng.standard_normal((count, 1), dtype="float32"))}

    def validation(self, network):
        return {"slope": float(network.line.weight)}, Image.new("L", (8, 8))


def plan(**changes):
    from training.loop import Plan

    return replace(Plan(steps=6, batch=4, rate=1e-2, log_every=1, sample_every=3, precision="no"), **changes)


def steps_logged(out):
    return [row["step"] for row in map(json.loads, (out / "log.jsonl").read_text().splitlines()) if "loss" in row]


def test_a_killed_run_leaves_one_row_per_step_and_its_minutes_count_on(tmp_path):
    from training.loop import load_plan, train

    with pytest.raises(KeyboardInterrupt):
        train(LineRecipe(dies_at=5), plan(minutes=600.0), tmp_path)  # the checkpoint is that of step 3
    state = torch.load(tmp_path / "checkpoint.pt", weights_only=True)
    assert (state["step"], state["plan"]["minutes"]) == (3, 600.0)
    torch.save({**state, "minutes": 599.0}, tmp_path / "checkpoint.pt")
    with (tmp_path / "log.jsonl").open("a") as log:
        log.write('{"step": 5, "lo')
    kept = load_plan(tmp_path, plan(batch=99))
    assert kept == plan(minutes=600.0)
    train(LineRecipe(), kept, tmp_path, resume=True)
    assert steps_logged(tmp_path) == [1, 2, 3, 4, 5, 6]
    last = json.loads((tmp_path / "log.jsonl").read_text().splitlines()[-1])
    assert 599 <= last["minutes"] < 600
    again = LineRecipe()
    train(again, plan(minutes=1.0), tmp_path, resume=True)
    assert again.drawn == 0  # the time was over before


def test_the_checkpoint_is_there_before_the_validation(tmp_path):
    from training.loop import train

    recipe = LineRecipe()

    def killed(network):
        raise KeyboardInterrupt

    recipe.validation = killed
    with pytest.raises(KeyboardInterrupt):
        train(recipe, plan(), tmp_path)
    assert torch.load(tmp_path / "checkpoint.pt", weights_only=True)["step"] == 3
    assert not list(tmp_path.glob("*.new"))


@pytest.mark.parametrize("data", [b"", b"no checkpoint", b"\x80\x02}q\x00.", "cut", "foreign"])
def test_a_damaged_checkpoint_is_one_line_that_keeps_it(data, tmp_path):
    from training.loop import load_trained_weights, train

    path = tmp_path / "checkpoint.pt"
    if isinstance(data, bytes):
        path.write_bytes(data)
    elif data == "foreign":
        torch.save({"other": 1}, path)
    else:
        torch.save({"mean": torch.zeros(999)}, path)
        path.write_bytes(path.read_bytes()[:-200])
    for use in (lambda: train(LineRecipe(), plan(), tmp_path, resume=True), lambda: load_trained_weights(path)):
        with pytest.raises(SetupError, match="is no whole checkpoint: put a whole copy in its place") as caught:
            use()
        assert "\n" not in str(caught.value)
    assert path.exists()


def test_a_stage_that_has_a_checkpoint_is_not_overwritten_without_a_flag(tmp_path, monkeypatch, capsys):
    from training.pocket.__main__ import main

    (tmp_path / "runs" / "restorer").mkdir(parents=True)
    (tmp_path / "runs" / "restorer" / "checkpoint.pt").write_bytes(b"hours of work")
    monkeypatch.setattr(sys, "argv", ["training.pocket", "--runs", str(tmp_path / "runs"), "train", "restorer"])
    assert main() == 2
    assert "--resume goes on from it, --restart starts anew" in capsys.readouterr().err


def test_several_processes_end_together_by_the_main_ones_clock(tmp_path):
    """The second process's clock runs fast: by that clock it would stop first, and the other would wait for it."""
    script = tmp_path / "script.py"
    script.write_text(
        "import itertools, os, sys\n"
        "from pathlib import Path\n"
        "from types import SimpleNamespace\n"
        f"sys.path.insert(0, {str(tmp_path)!r})\n"
        "from training import loop\n"
        "from training.processes import main_process_first\n"
        "from recipes import LineRecipe, plan\n"
        "made = Path(sys.argv[1]) / 'made'\n"
        "with main_process_first():\n"
        "    assert made.exists() == (os.environ['RANK'] == '1')\n"
        "    made.touch()\n"
        "if os.environ['RANK'] == '1':\n"
        "    loop.time = SimpleNamespace(monotonic=itertools.count(0, 9e9).__next__)\n"
        "recipe = LineRecipe()\n"
        "loop.train(recipe, plan(minutes=60.0), made.parent / 'out')\n"
        "(made.parent / f'drawn-{os.environ[\"RANK\"]}').write_text(str(recipe.drawn))\n"
    )
    (tmp_path / "recipes.py").write_text(Path(__file__).read_text())
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", script, tmp_path]
    # The installed package leaves training out; it is imported from the checkout.
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=200, env=environment)
    assert done.returncode == 0, done.stderr
    assert [(tmp_path / f"drawn-{rank}").read_text() for rank in (0, 1)] == ["6", "6"]
    assert steps_logged(tmp_path / "out") == [1, 2, 3, 4, 5, 6]


@pytest.fixture
def folder(tmp_path):
    """Pictures of one even colour each, all different, and files that are no pictures."""
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    for index in range(3):
        Image.new("RGB", (240, 230), (80 * index, 99, 99)).save(pictures / f"{index}.png")
    (pictures / "4.png").write_bytes(b"no picture")
    (pictures / "5.jpg").write_bytes((pictures / "0.png").read_bytes()[:60])
    return pictures


def choices():
    from training.pocket.pairs import SenderChoice

    return [SenderChoice(0.02, "av1", 4, 40)]


def test_files_that_are_no_pictures_are_left_out_and_counted(folder, tmp_path, capsys):
    from training.pocket.pairs import prepare_pairs

    pairs = prepare_pairs(folder, tmp_path / "pairs", choices(), count=9)
    assert len(pairs) == 3
    assert capsys.readouterr().err == f"note: 2 pictures in {folder} cannot be read and were left out\n"
    assert sorted(path.name for path in (tmp_path / "pairs").iterdir()) == [
        "captions.json",
        "made.json",
        "pictures.npy",
        "quarters.npy",
    ]


def test_a_damaged_parquet_file_is_named(tmp_path):
    from training.pocket.pairs import prepare_pairs

    (tmp_path / "train-1.parquet").write_bytes(b"PAR1 and nothing else PAR1")
    with pytest.raises(SetupError, match=r"train-1\.parquet is damaged .*: fetch it anew") as caught:
        prepare_pairs(tmp_path, tmp_path / "pairs", choices(), count=9)
    assert "\n" not in str(caught.value)


def test_pairs_of_other_pictures_are_not_taken_for_these(folder, tmp_path):
    from training.pocket.pairs import prepare_choices, prepare_pairs

    made = prepare_pairs(folder, tmp_path / "pairs", choices(), count=2)
    assert np.array_equal(prepare_pairs(folder, tmp_path / "pairs", choices(), count=2).quarters, made.quarters)
    for data, options in ((tmp_path, {"count": 2}), (folder, {"count": 3}), (folder, {"count": 2, "seed": 5})):
        with pytest.raises(SetupError, match=r"pairs was made with .*: name another --runs, or delete") as caught:
            prepare_pairs(data, tmp_path / "pairs", choices(), **options)
        assert "\n" not in str(caught.value)
    of = {"data": "/elsewhere", "recipe": 1}
    (tmp_path / "choices.json").write_text(json.dumps({"of": of, "choices": [vars(one) for one in choices()]}))
    with pytest.raises(SetupError, match=r"choices\.json was made with data /elsewhere"):
        prepare_choices(folder, tmp_path / "choices.json")


def test_pairs_that_were_cut_off_are_made_again(folder, tmp_path):
    from training.pocket.pairs import prepare_pairs

    made = prepare_pairs(folder, tmp_path / "pairs", choices(), count=3)
    whole = np.array(made.pictures)
    (tmp_path / "pairs" / "made.json").unlink()
    (tmp_path / "pairs" / "pictures.npy").write_bytes(b"torn")
    assert np.array_equal(prepare_pairs(folder, tmp_path / "pairs", choices(), count=3).pictures, whole)


def test_no_picture_is_both_trained_on_and_held_out(folder, tmp_path):
    from training.pocket.pairs import prepare_pairs

    trained = prepare_pairs(folder, tmp_path / "pairs", choices(), count=9, held_out=False)
    judged = prepare_pairs(folder, tmp_path / "pairs-val", choices(), count=9, held_out=True)
    reds = [sorted({int(picture[0, 0, 0]) for picture in pairs.pictures}) for pairs in (trained, judged)]
    assert reds == [[0, 160], [80]]


def test_one_picture_is_too_few(folder, tmp_path):
    from training.pocket.stages import load_pairs

    for path in folder.iterdir():
        path.unlink()
    Image.new("RGB", (400, 400)).save(folder / "only.png")
    runs = tmp_path / "runs"
    runs.mkdir()
    of = {"data": str(folder.resolve()), "recipe": 2}
    (runs / "choices.json").write_text(json.dumps({"of": of, "choices": [vars(one) for one in choices()]}))
    with pytest.raises(SetupError, match=r"too few pictures of at least 224x224 .* 2 are needed") as caught:
        load_pairs(folder, runs, 5)
    assert "\n" not in str(caught.value)


def test_what_ships_has_the_curve_of_each_stage(tiny_pocket_folder, tmp_path):
    from receiver.pocket.config import read_config
    from training.pocket.stages import export

    shipped = Path(shutil.copytree(tiny_pocket_folder, tmp_path / "shipped"))
    log = tmp_path / "runs" / "restorer" / "log.jsonl"
    log.parent.mkdir(parents=True)
    rows = [{"step": step, "minutes": step / 10, "loss": 1 / step} for step in range(10, 201, 10)]
    log.write_text("".join(json.dumps(row) + "\n" for row in rows) + '{"step": 210, "lo')
    export(tmp_path / "runs", shipped, steps=3, fidelity=0.25)
    kept = [json.loads(line)["step"] for line in (shipped / "log-restorer.jsonl").read_text().splitlines()]
    assert kept == [50, 100, 150, 200]
    with Image.open(shipped / "loss-restorer.png") as plot:
        assert plot.format == "PNG"
    assert not (shipped / "loss-refiner.png").exists()
    assert (read_config(shipped).steps, read_config(shipped).fidelity) == (3, 0.25)
