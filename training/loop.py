"""One training loop for all recipes: any number of devices, running mean of the weights, checkpoints, log, samples."""

from __future__ import annotations

import copy
import json
import math
import pickle
import time
import zipfile
from dataclasses import asdict, dataclass, fields, replace
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import torch
from accelerate import Accelerator
from accelerate.utils import broadcast
from torch import Tensor, nn

from receiver.pocket.devices import compute_dtype
from shared.errors import SetupError
from training.cache import write_whole
from training.muon import Muon
from training.report import draw_loss, read_log

if TYPE_CHECKING:
    from pathlib import Path

    from PIL import Image

WARMUP_STEPS = 20
CLIP_NORM = 1.0
CHECKPOINT, LOG = "checkpoint.pt", "log.jsonl"
CRITIC_RATE, CRITIC_BETAS = 1e-3, (0.5, 0.99)


class Recipe(Protocol):
    """What a recipe gives the loop. ``network`` holds everything that is trained, and computes the losses."""

    name: str
    network: nn.Module

    def batch(self, rng: np.random.Generator, count: int, side: int) -> dict[str, Tensor]:
        """Draw one batch; everything random in a step comes from ``rng``."""
        ...

    def validation(self, network: nn.Module) -> tuple[dict[str, float], Image.Image]:
        """Return measures on validation pictures and a sample grid, of ``network``, the running mean."""
        ...


@dataclass(frozen=True)
class Plan:
    """What one run does. ``steps`` is the length of the schedule, whatever the number of interruptions.

    With a ``muon_rate``, kernels take Muon's steps at that rate, and AdamW moves the other parameters only.
    """

    steps: int
    batch: int = 4
    side: int = 128
    rate: float = 1e-4
    muon_rate: float = 0.0
    ema_decay: float = 0.995
    seed: int = 1
    minutes: float = math.inf
    log_every: int = 10
    sample_every: int = 250
    save_every_s: float = 120.0
    precision: str = "auto"
    """``no``, ``bf16``, or ``auto``: bf16 where the device computes it in hardware, else ``no``."""


def schedule(progress: float) -> float:
    """Return the learning rate's factor at a share of the run: constant for a third, then a cosine down to 2 %."""
    # The schedules of diffusers' get_scheduler count steps; the share of a run may be one of its time limit.
    late = min(max((progress - 0.33) / 0.67, 0.0), 1.0)
    return 0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * late))


def _choose_precision(wanted: str) -> str:
    if wanted != "auto":
        return wanted
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    return "bf16" if compute_dtype(device) is torch.bfloat16 else "no"


def load_plan(out: Path, default: Plan) -> Plan:
    """Return the plan of the checkpoint in ``out``; fields that it lacks are those of ``default``.

    Raises:
        SetupError: there is no checkpoint, or it is damaged.
    """
    said = _load_checkpoint(out / CHECKPOINT).get("plan", {})
    return replace(default, **{one.name: said[one.name] for one in fields(Plan) if one.name in said})


def train(recipe: Recipe, plan: Plan, out: Path, *, resume: bool = False) -> nn.Module:
    """Train ``recipe`` into the folder ``out`` and return the running mean of its weights.

    ``out`` gets ``checkpoint.pt`` (everything that ``resume`` needs to take the same steps), ``log.jsonl``,
    ``loss.png`` and ``samples-STEP.png``. Minutes add up over interruptions.

    Raises:
        SetupError: there is nothing to resume from.
    """
    run = _Run(recipe, plan, out)
    if resume:
        run.restore()
    if run.writes:
        out.mkdir(parents=True, exist_ok=True)
        run.cut_log()
    run.read_clock()
    while not run.over:
        run.take_step()
        run.read_clock()
        if run.writes:
            run.keep()
    # A process that exits while another still communicates with it ends that one too, and the launcher reports failure.
    run.accelerator.wait_for_everyone()
    run.accelerator.end_training()
    if run.writes:
        print(f"{recipe.name}: step {run.step} after {run.minutes:.1f} minutes, in {out}")
    return run.mean


class _Run:
    """One call of ``train``: networks, their running mean, optimisers, the clock."""

    def __init__(self, recipe: Recipe, plan: Plan, out: Path) -> None:
        self.recipe, self.plan, self.out = recipe, plan, out
        self.accelerator = Accelerator(
            mixed_precision=_choose_precision(plan.precision), cpu=not torch.cuda.is_available()
        )
        # Frozen parameters stay the same, and a large base is not copied.
        frozen = {id(one): one for one in recipe.network.parameters() if not one.requires_grad}
        self.mean = copy.deepcopy(recipe.network, frozen).eval()
        self.optimisers = _make_optimisers(recipe.network, plan)
        self.network, *self.optimisers = self.accelerator.prepare(recipe.network, *self.optimisers)
        self.mean.to(self.accelerator.device)
        self.writes = self.accelerator.is_main_process
        self.step = 0
        self.minutes = self._minutes_before = 0.0
        self._recent: list[dict[str, float]] = []
        self._started_s = self._saved_s = time.monotonic()

    def read_clock(self) -> None:
        """Set ``minutes`` by the main process's clock: all must agree on the learning rate and on the end."""
        self.minutes = self._minutes_before + (time.monotonic() - self._started_s) / 60
        if self.accelerator.num_processes > 1:
            clock = torch.tensor(self.minutes, device=self.accelerator.device)
            self.minutes = float(broadcast(clock))

    @property
    def over(self) -> bool:
        return self.step >= self.plan.steps or self.minutes >= self.plan.minutes

    def take_step(self) -> None:
        plan, accelerator = self.plan, self.accelerator
        # A seed per step: a resumed run draws what the uninterrupted one would have drawn.
        rng = np.random.default_rng((plan.seed, self.step, accelerator.process_index))
        batch = self.recipe.batch(rng, plan.batch, plan.side)
        with accelerator.autocast():
            losses = self.network({name: value.to(accelerator.device) for name, value in batch.items()})
        # A time limit shortens the schedule, so that the learning rate has decayed at the limit.
        factor = schedule(max(self.step / plan.steps, self.minutes / plan.minutes))
        for optimiser in self.optimisers:
            for group in optimiser.param_groups:
                group["lr"] = group["full_rate"] * factor * min(1.0, (self.step + 1) / WARMUP_STEPS)
            optimiser.zero_grad(set_to_none=True)
        accelerator.backward(losses["loss"])
        trained = accelerator.unwrap_model(self.network)
        for part in trained.children():  # each by itself: the critic's gradients are not those of the decoder
            accelerator.clip_grad_norm_(part.parameters(), CLIP_NORM)
        for optimiser in self.optimisers:
            optimiser.step()
        self.step += 1
        _follow(self.mean, trained, min(plan.ema_decay, self.step / (self.step + 10)))
        self._recent.append({name: float(value.detach()) for name, value in losses.items()})

    def keep(self) -> None:
        """Write log, checkpoint and validation if due. The checkpoint comes first; validation takes long."""
        plan, over = self.plan, self.over
        shown = over or self.step % plan.sample_every == 0
        if over or self.step % plan.log_every == 0:
            self.log_means()
        if shown or time.monotonic() - self._saved_s > plan.save_every_s:
            self.save()
        if shown:
            self.validate()

    def log_means(self) -> None:
        names = self._recent[0]
        means = {name: round(sum(row[name] for row in self._recent) / len(self._recent), 5) for name in names}
        self._log(means)
        self._recent.clear()

    def validate(self) -> None:
        measures, grid = self.recipe.validation(self.mean)
        self._log({"validation": measures})
        grid.save(self.out / f"samples-{self.step:06d}.png")
        draw_loss(self.out / LOG, self.out / "loss.png")

    def save(self) -> None:
        # One file that replaces the last one whole. Accelerate's save_state writes a folder of files, which a run that
        # is killed leaves mixed, with the frozen networks, and with random states that no step needs.
        network = self.accelerator.unwrap_model(self.network)
        trained = {name for name, parameter in network.named_parameters() if parameter.requires_grad}
        state = {
            "network": {name: value for name, value in network.state_dict().items() if name in trained},
            "mean": {name: value for name, value in self.mean.state_dict().items() if name in trained},
            "optimisers": [optimiser.state_dict() for optimiser in self.optimisers],
            "step": self.step,
            "minutes": self.minutes,
            "plan": asdict(self.plan),
        }
        write_whole(self.out / CHECKPOINT, lambda file: torch.save(state, file))
        self._saved_s = time.monotonic()

    def restore(self) -> None:
        state = _load_checkpoint(self.out / CHECKPOINT)
        try:
            self.accelerator.unwrap_model(self.network).load_state_dict(state["network"], strict=False)
            self.mean.load_state_dict(state["mean"], strict=False)
            for optimiser, values in zip(self.optimisers, state["optimisers"], strict=True):
                optimiser.load_state_dict(values)
            self.step = state["step"]
        except (KeyError, RuntimeError, ValueError) as error:
            raise SetupError(
                f"{self.out / CHECKPOINT} is of another recipe: name another --runs, or start anew with --restart"
            ) from error
        self._minutes_before = state.get("minutes", 0.0)

    def cut_log(self) -> None:
        """Drop the rows beyond the step that this run begins at; those steps come again."""
        rows = [row for row in read_log(self.out / LOG) if row["step"] <= self.step and self.step]
        lines = "".join(json.dumps(row) + "\n" for row in rows)
        write_whole(self.out / LOG, lambda file: file.write(lines.encode()))

    def _log(self, row: dict[str, Any]) -> None:
        # JSON lines need no package, unlike the trackers of accelerate, and the model cards keep them.
        with (self.out / LOG).open("a") as log:
            log.write(json.dumps({"step": self.step, "minutes": round(self.minutes, 2), **row}) + "\n")


def _make_optimisers(network: nn.Module, plan: Plan) -> list[torch.optim.Optimizer]:
    named = [(name, parameter) for name, parameter in network.named_parameters() if parameter.requires_grad]
    critic = [parameter for name, parameter in named if ".critic." in f".{name}"]
    others = [parameter for name, parameter in named if ".critic." not in f".{name}"]
    kernels = [parameter for parameter in others if parameter.ndim >= 2] if plan.muon_rate else []
    others = [parameter for parameter in others if parameter.ndim < 2 or not plan.muon_rate]
    groups = [{"params": others, "full_rate": plan.rate}]
    if critic:
        groups.append({"params": critic, "full_rate": CRITIC_RATE, "betas": CRITIC_BETAS})
    optimisers: list[torch.optim.Optimizer] = [torch.optim.AdamW(groups, betas=(0.9, 0.99), weight_decay=0.0)]
    if kernels:
        optimisers.append(Muon([{"params": kernels, "full_rate": plan.muon_rate}], plan.muon_rate))
    return optimisers


def load_trained_weights(path: Path) -> dict[str, Tensor]:
    """Return the running mean of the weights in a checkpoint.

    Raises:
        SetupError: there is none at ``path``, or it is damaged.
    """
    weights: dict[str, Tensor] = _load_checkpoint(path)["mean"]
    return weights


def _load_checkpoint(path: Path) -> dict[str, Any]:
    if not path.exists():
        raise SetupError(f"no checkpoint at {path}: train without --resume first")
    try:
        loaded = torch.load(path, map_location="cpu", weights_only=True) if zipfile.is_zipfile(path) else None
    except (OSError, RuntimeError, EOFError, ValueError, KeyError, pickle.UnpicklingError):
        loaded = None
    if not isinstance(loaded, dict) or "mean" not in loaded:
        raise SetupError(f"{path} is no whole checkpoint: put a whole copy in its place, or name another --runs")
    return loaded


def _follow(mean: nn.Module, network: nn.Module, decay: float) -> None:
    # The EMAModel of diffusers does the same on a list of tensors; this mean is a network that validation runs.
    with torch.no_grad():
        for slow, fast in zip(mean.parameters(), network.parameters(), strict=True):
            if fast.requires_grad:
                slow.lerp_(fast, 1 - decay)
