"""One training loop for all recipes: any number of devices, running mean of the weights, checkpoints, log, samples."""

from __future__ import annotations

import copy
import json
import math
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import torch
from accelerate import Accelerator
from torch import Tensor, nn

from shared.errors import SetupError
from training.pocket.report import loss_plot

if TYPE_CHECKING:
    from pathlib import Path

    from PIL import Image

WARMUP_STEPS = 20
CLIP_NORM = 1.0


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
    """What one run does. ``steps`` is the length of the schedule, whatever the number of interruptions."""

    steps: int
    batch: int = 4
    side: int = 128
    rate: float = 1e-4
    ema_decay: float = 0.995
    seed: int = 1
    minutes: float = math.inf
    log_every: int = 10
    sample_every: int = 250
    save_every_s: float = 120.0
    precision: str = "bf16"
    warm: bool = True


def schedule(progress: float) -> float:
    """Return the learning rate's factor at a share of the run: constant for a third, then a cosine down to 2 %."""
    late = min(max((progress - 0.33) / 0.67, 0.0), 1.0)
    return 0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * late))


def train(recipe: Recipe, plan: Plan, out: Path, *, resume: bool = False) -> nn.Module:
    """Train ``recipe`` into the folder ``out`` and return the running mean of its weights.

    ``out`` gets ``checkpoint.pt`` (everything, from which ``resume`` goes on with the same steps), ``log.jsonl``,
    ``loss.png`` and ``samples-STEP.png``.

    Raises:
        SetupError: there is nothing to resume from.
    """
    accelerator = Accelerator(mixed_precision=plan.precision, cpu=not torch.cuda.is_available())
    network = recipe.network
    mean = copy.deepcopy(network)
    parameters = [p for p in network.parameters() if p.requires_grad]
    optimiser = torch.optim.AdamW(parameters, plan.rate, betas=(0.9, 0.99), weight_decay=0.0)
    step = _restored(out / "checkpoint.pt", network, mean, optimiser) if resume else 0
    network, optimiser = accelerator.prepare(network, optimiser)
    mean.to(accelerator.device).eval()
    out.mkdir(parents=True, exist_ok=True)
    if step == 0 and accelerator.is_main_process:
        (out / "log.jsonl").unlink(missing_ok=True)
    started_s = saved_s = time.monotonic()
    first_step = step
    recent: list[dict[str, float]] = []

    def spent() -> float:
        return (time.monotonic() - started_s) / 60

    while step < plan.steps and spent() < plan.minutes:
        # A seed per step: a resumed run draws what the uninterrupted one would have drawn.
        rng = np.random.default_rng((plan.seed, step, accelerator.process_index))
        batch = {name: value.to(accelerator.device) for name, value in recipe.batch(rng, plan.batch, plan.side).items()}
        # A time limit shortens the schedule, so that the rate has come down when the time is over.
        progress = max((step - first_step) / plan.steps, spent() / plan.minutes)
        for group in optimiser.param_groups:
            group["lr"] = plan.rate * schedule(progress) * min(1.0, (step + 1) / WARMUP_STEPS)
        with accelerator.autocast():
            losses = network(batch)
        optimiser.zero_grad(set_to_none=True)
        accelerator.backward(losses["loss"])
        accelerator.clip_grad_norm_(parameters, CLIP_NORM)
        optimiser.step()
        step += 1
        _follow(mean, accelerator.unwrap_model(network), min(plan.ema_decay, step / (step + 10)))
        recent.append({name: float(value.detach()) for name, value in losses.items()})
        last = step == plan.steps or spent() >= plan.minutes
        if not accelerator.is_main_process:
            continue
        if step % plan.log_every == 0 or last:
            _log(out, {"step": step, "minutes": round(spent(), 2), **_means(recent)})
            recent.clear()
        if step % plan.sample_every == 0 or last:
            measures, grid = recipe.validation(mean)
            _log(out, {"step": step, "minutes": round(spent(), 2), "validation": measures})
            grid.save(out / f"samples-{step:06d}.png")
            loss_plot(out / "log.jsonl", out / "loss.png")
        if last or time.monotonic() - saved_s > plan.save_every_s:
            _save(out / "checkpoint.pt", accelerator.unwrap_model(network), mean, optimiser, step)
            saved_s = time.monotonic()
    return mean


def trained_weights(path: Path) -> dict[str, Tensor]:
    """Return the running mean of the weights in a checkpoint.

    Raises:
        SetupError: there is none at ``path``.
    """
    weights: dict[str, Tensor] = _loaded(path)["mean"]
    return weights


def _loaded(path: Path) -> dict[str, Any]:
    try:
        loaded: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, EOFError) as error:
        raise SetupError(f"no checkpoint at {path} ({error}): train without --resume first") from error
    return loaded


def _restored(path: Path, network: nn.Module, mean: nn.Module, optimiser: torch.optim.Optimizer) -> int:
    state = _loaded(path)
    network.load_state_dict(state["network"], strict=False)
    mean.load_state_dict(state["mean"], strict=False)
    optimiser.load_state_dict(state["optimiser"])
    step: int = state["step"]
    return step


def _save(path: Path, network: nn.Module, mean: nn.Module, optimiser: Any, step: int) -> None:
    trained = {name for name, parameter in network.named_parameters() if parameter.requires_grad}
    state = {
        "network": {name: value for name, value in network.state_dict().items() if name in trained},
        "mean": {name: value for name, value in mean.state_dict().items() if name in trained},
        "optimiser": optimiser.state_dict(),
        "step": step,
    }
    unfinished = path.with_suffix(".new")
    torch.save(state, unfinished)
    unfinished.replace(path)


def _follow(mean: nn.Module, network: nn.Module, decay: float) -> None:
    with torch.no_grad():
        for slow, fast in zip(mean.parameters(), network.parameters(), strict=True):
            if fast.requires_grad:
                slow.lerp_(fast, 1 - decay)


def _means(recent: list[dict[str, float]]) -> dict[str, float]:
    return {name: round(sum(row[name] for row in recent) / len(recent), 5) for name in recent[0]}


def _log(out: Path, row: dict[str, object]) -> None:
    with (out / "log.jsonl").open("a") as log:
        log.write(json.dumps(row) + "\n")
