"""The training loop: a limit in wall-clock time, checkpoints that resume exactly, a log in JSON lines."""

from __future__ import annotations

import copy
import json
import math
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from shared.errors import SetupError
from training.hci_learned.network import LearnedCoder, Widths
from training.hci_learned.thumbnails import find_principal_directions
from training.muon import Muon

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from training.hci_learned.thumbnails import Thumbnails

LAMBDA_FIRST, LAMBDA_LAST = 0.00012, 0.004
WARMUP_STEPS = 60
EMA_DECAY = 0.998
LOG_SECONDS, SAVE_SECONDS = 20, 120


@dataclass(frozen=True)
class Plan:
    """Settings of one run.

    ``steps`` is the whole length of the schedule, whatever the number of interruptions. ``workers`` threads share the
    batch; on a machine that does other work this is faster than torch's own threads, which wait for each other in
    every operation.
    """

    steps: int
    batch: int = 8
    side: int = 96
    seed: int = 1
    rate_muon: float = 1e-3
    rate_adam: float = 1e-3
    bfloat16: bool = True
    workers: int = 1


def compute_lambdas(quality: Tensor) -> Tensor:
    """Return the Lagrangian multiplier of each quality (0..1), in bits per pixel per squared error of 0..255."""
    return LAMBDA_FIRST * (LAMBDA_LAST / LAMBDA_FIRST) ** quality


def schedule(progress: float) -> float:
    """Return the learning rate's factor at a share of the run: constant for a fifth, then a cosine down to 0.5 %."""
    late = min(max((progress - 0.2) / 0.8, 0.0), 1.0)
    return 0.005 + 0.995 * 0.5 * (1 + math.cos(math.pi * late))


class Trainer:
    """Network, its running mean, optimisers and random state: everything that a checkpoint holds."""

    def __init__(self, plan: Plan, widths: Widths, device: str = "cpu") -> None:
        self.plan, self.widths, self.device = plan, widths, torch.device(device)
        with torch.random.fork_rng():
            torch.manual_seed(plan.seed)
            self.network = LearnedCoder(widths).to(self.device)
            self.mean = LearnedCoder(widths).to(self.device)
        self.mean.load_state_dict(self.network.state_dict())
        self.replicas = [self._replica() for _ in range(plan.workers - 1)]
        self.threads = ThreadPoolExecutor(plan.workers, initializer=torch.set_num_threads, initargs=(1,))
        kernels = [p for n, p in self.network.named_parameters() if p.ndim == 4 and ".rows" not in n]
        others = [p for p in self.network.parameters() if all(p is not kernel for kernel in kernels)]
        self.optimisers: list[torch.optim.Optimizer] = [
            Muon(kernels, plan.rate_muon, self.threads),
            torch.optim.Adam(others, plan.rate_adam, betas=(0.9, 0.99)),
        ]
        self.rates = [plan.rate_muon, plan.rate_adam]
        self.steps_done, self.crops_seen = 0, 0

    def _replica(self) -> LearnedCoder:
        """Return a copy of the network that shares its parameters and has gradients of its own."""
        replica: LearnedCoder = copy.deepcopy(self.network)
        for mine, shared in zip(replica.parameters(), self.network.parameters(), strict=True):
            mine.data = shared.data
        return replica

    def _part(self, network: LearnedCoder, crops: NDArray[np.uint8], quality: Tensor, seed: int) -> dict[str, Tensor]:
        """Add the gradient of one worker's share of the batch to ``network``; return its measures, ``[share]`` each."""
        plan = self.plan
        picture = torch.from_numpy(crops).to(self.device).permute(0, 3, 1, 2).float() / 255
        random = torch.Generator(self.device).manual_seed(seed)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=plan.bfloat16):
            output, y_bits, z_bits = network(picture, quality, random)
        error = (output.float() - picture).square().mean(dim=(1, 2, 3)) * 255**2
        bpp, bpp_z = (y_bits + z_bits) / plan.side**2, z_bits / plan.side**2
        multiplier = compute_lambdas(quality)
        # Dividing by the multiplier's root makes coarse and fine qualities pull about equally.
        loss = (bpp + multiplier * error) * (LAMBDA_LAST / multiplier).sqrt()
        (loss.sum() / plan.batch).backward()
        psnr_db = 10 * torch.log10(255**2 / error.clamp_min(1e-6))
        measures = {"loss": loss, "bpp": bpp, "bpp_z": bpp_z, "mse": error, "psnr_db": psnr_db}
        return {name: value.detach() for name, value in measures.items()}

    def start(self, thumbnails: Thumbnails) -> None:
        """Begin as a block transform coder of principal directions."""
        directions = find_principal_directions(thumbnails, self.widths.latent).to(self.device)
        self.network.start_as_transform_coder(directions)
        self.mean.start_as_transform_coder(directions)

    def start_from(self, path: Path) -> None:
        """Begin from weights that ``keep`` wrote, with fresh optimisers.

        Raises:
            SetupError: the file is missing, damaged, or of a network of other widths.
        """
        try:
            with safe_open(path, "pt") as kept:
                weights = {name: kept.get_tensor(name).float() for name in kept.keys()}  # noqa: SIM118
                counts = kept.metadata()
            self.network.load_state_dict(weights)
        except (OSError, SafetensorError, RuntimeError) as error:
            reason = " ".join(str(error).split())[:200]
            raise SetupError(f"cannot start from {path}: {reason}; start anew without --start") from error
        self.mean.load_state_dict(self.network.state_dict())
        self.steps_done, self.crops_seen = int(counts["steps_done"]), int(counts["crops_seen"])

    def step(self, thumbnails: Thumbnails, progress: float) -> dict[str, float]:
        """Take one optimiser step at a share ``progress`` of the schedule and return the batch's mean measures."""
        plan = self.plan
        # Every step has a seed of its own, so that a resumed run draws what the uninterrupted one would have drawn.
        rng = np.random.default_rng((plan.seed, self.steps_done))
        crops = thumbnails.crops(rng, plan.batch, plan.side)
        strata = (np.arange(plan.batch) + rng.random(plan.batch)) / plan.batch
        quality = torch.from_numpy(strata.astype(np.float32)).to(self.device)
        seeds = [int(seed) for seed in rng.integers(2**62, size=plan.workers)]
        for optimiser, rate in zip(self.optimisers, self.rates, strict=True):
            for group in optimiser.param_groups:
                group["lr"] = rate * schedule(progress) * min(1.0, (self.steps_done + 1) / WARMUP_STEPS)
        networks = [self.network, *self.replicas]
        for network in networks:
            network.zero_grad(set_to_none=True)
        shares = [slice(worker, None, plan.workers) for worker in range(plan.workers)]
        parts = list(
            self.threads.map(
                self._part, networks, [crops[share] for share in shares], [quality[share] for share in shares], seeds
            )
        )
        for replica in self.replicas:
            for mine, shared in zip(replica.parameters(), self.network.parameters(), strict=True):
                if shared.grad is not None and mine.grad is not None:
                    shared.grad += mine.grad
        norm = torch.nn.utils.clip_grad_norm_(self.network.parameters(), 5.0)
        for optimiser in self.optimisers:
            optimiser.step()
        self.steps_done += 1
        self.crops_seen += plan.batch
        self._follow()
        means = {name: torch.cat([part[name] for part in parts]).mean().item() for name in parts[0]}
        return {**means, "grad_norm": norm.item()}

    @torch.no_grad()
    def _follow(self) -> None:
        """Move the running mean towards the network, faster in the first steps."""
        decay = min(EMA_DECAY, self.steps_done / (self.steps_done + 10))
        followers = [p.detach() for p in self.mean.parameters()]
        torch._foreach_lerp_(followers, [p.detach() for p in self.network.parameters()], 1 - decay)

    def save(self, path: Path) -> None:
        """Write a checkpoint; the file appears whole or not at all."""
        state = {
            "plan": asdict(self.plan),
            "widths": asdict(self.widths),
            "network": self.network.state_dict(),
            "mean": self.mean.state_dict(),
            "optimisers": [optimiser.state_dict() for optimiser in self.optimisers],
            "steps_done": self.steps_done,
            "crops_seen": self.crops_seen,
        }
        partial = path.with_suffix(".partial")
        torch.save(state, partial)
        partial.replace(path)

    def restore(self, path: Path) -> None:
        """Take over everything from a checkpoint; the plan stays the one given, so that a schedule can be extended."""
        state = read_checkpoint(path)
        self.network.load_state_dict(state["network"])
        self.mean.load_state_dict(state["mean"])
        for optimiser, saved in zip(self.optimisers, state["optimisers"], strict=True):
            optimiser.load_state_dict(saved)
        self.steps_done, self.crops_seen = state["steps_done"], state["crops_seen"]


def read_checkpoint(path: Path) -> dict[str, Any]:
    """Return a checkpoint's content.

    Raises:
        SetupError: there is no such file.
    """
    if not path.exists():
        raise SetupError(f"no checkpoint {path}: make one with `python -m training.hci_learned train`")
    state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    return state


def keep(checkpoint: Path, path: Path) -> None:
    """Write the running mean of a checkpoint's weights in half precision: a fifth of its size, enough to start from.

    Raises:
        SetupError: there is no such checkpoint.
    """
    state = read_checkpoint(checkpoint)
    weights = {name: value.half().contiguous() for name, value in state["mean"].items()}
    save_file(weights, path, {name: str(state[name]) for name in ("steps_done", "crops_seen")})
    path.chmod(0o644)  # safetensors leaves it unreadable for others


def train(trainer: Trainer, thumbnails: Thumbnails, out: Path, minutes: float) -> None:
    """Train until the plan's steps or ``minutes`` of this call are over; log and save under ``out``.

    Progress along the schedule is the larger of the share of steps and the share of time, so that the learning rate
    has decayed when either ends.
    """
    out.mkdir(parents=True, exist_ok=True)
    start = last_log = last_save = time.monotonic()
    records: list[dict[str, float]] = []
    first_progress = trainer.steps_done / trainer.plan.steps
    spent = 0.0
    while trainer.steps_done < trainer.plan.steps and spent < 1:
        progress = max(trainer.steps_done / trainer.plan.steps, first_progress + (1 - first_progress) * spent)
        records.append(trainer.step(thumbnails, progress))
        now = time.monotonic()
        spent = (now - start) / 60 / minutes
        over = trainer.steps_done == trainer.plan.steps or spent >= 1
        if now - last_log > LOG_SECONDS or over:
            means = {name: round(float(np.mean([record[name] for record in records])), 5) for name in records[0]}
            pace = {
                "crops_per_s": round(len(records) * trainer.plan.batch / (now - last_log), 1),
                "minutes": round((now - start) / 60, 2),
            }
            place = {"step": trainer.steps_done, "crops": trainer.crops_seen, "progress": round(progress, 4)}
            with (out / "log.jsonl").open("a") as sink:
                sink.write(json.dumps({**place, **means, **pace}) + "\n")
            records, last_log = [], now
        if now - last_save > SAVE_SECONDS or over:
            trainer.save(out / "checkpoint.pt")
            last_save = now
