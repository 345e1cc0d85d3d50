"""The stages in order, and what each begins with: the weights that ship, overlaid by what this machine has trained."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import torch

from receiver.pocket.networks import PocketNetworks, encoded, new_autoencoder, new_controlnet, new_unet
from receiver.pocket.weights import load_networks, save_networks
from training.pocket.autoencoder import AutoencoderRecipe
from training.pocket.flow import FlowRecipe
from training.pocket.loop import Plan, Recipe, trained_weights
from training.pocket.losses import Weights
from training.pocket.pairs import Pairs, batch_of, prepared_choices, prepared_pairs
from training.pocket.report import logged, loss_plot
from training.pocket.restorer import RestorerRecipe, slim_real_esrgan

if TYPE_CHECKING:
    from pathlib import Path

STAGES = ("restorer", "autoencoder", "flow", "finetune")
SIGMA = 0.25
HELD_OUT = 24
VALIDATION_FILE = "val.parquet"
MEASURED = 64
SEED = 1

PLANS = {
    "restorer": Plan(steps=20_000, batch=4, side=128, rate=1e-4),
    "autoencoder": Plan(steps=40_000, batch=8, side=96, rate=1e-3, muon_rate=2e-3),
    "flow": Plan(steps=20_000, batch=8, side=128, rate=3e-4, muon_rate=5e-4),
    "finetune": Plan(steps=20_000, batch=4, side=128, rate=1e-4, muon_rate=3e-4),
}
WEIGHTS = {
    "restorer": Weights(lpips=0.2, dists=0.7, lite=0.6),
    "autoencoder": Weights(lpips=0.1, dists=0.2),
    "flow": Weights(),
    "finetune": Weights(lpips=0.2, dists=0.7, lite=0.3, adversarial=0.05),
}


def pairs_of(data: Path, runs: Path, count: int, workers: int = 1) -> tuple[Pairs, Pairs]:
    """Return the pairs to train on and those held out: of ``val.parquet``, or of pictures that nothing trains on.

    Raises:
        SetupError: too few pictures in ``data``, or ``runs`` holds the pairs of others.
    """
    choices = prepared_choices(data, runs / "choices.json")
    if (data / VALIDATION_FILE).exists():
        held_out = prepared_pairs(data, runs / "pairs-val", choices, count=HELD_OUT, pattern=VALIDATION_FILE)
        return prepared_pairs(data, runs / "pairs", choices, count=count, workers=workers), held_out
    held_out = prepared_pairs(data, runs / "pairs-val", choices, count=HELD_OUT, held_out=True)
    return prepared_pairs(data, runs / "pairs", choices, count=count, workers=workers, held_out=False), held_out


def recipe_of(stage: str, pairs: Pairs, held_out: Pairs, runs: Path, shipped: Path) -> Recipe:
    """Return the recipe of ``stage`` with the networks that it begins with.

    Raises:
        SetupError: weights that it needs are missing or damaged.
    """
    earlier = STAGES[: STAGES.index(stage)]
    networks = networks_of(runs, shipped, pairs, stages=earlier)
    if stage == "restorer":
        return RestorerRecipe(pairs, held_out, networks.restorer, WEIGHTS[stage])
    if stage == "autoencoder":
        return AutoencoderRecipe(pairs, held_out, networks.autoencoder, WEIGHTS[stage])
    return FlowRecipe(pairs, held_out, networks, WEIGHTS[stage], end_to_end=stage == "finetune")


def networks_of(runs: Path, shipped: Path, pairs: Pairs, stages: tuple[str, ...] = STAGES) -> PocketNetworks:
    """Return the newest networks: those in ``shipped`` (else untrained ones), then what ``stages`` made."""
    shipped_too = (shipped / "config.json").exists()
    networks = load_networks(shipped, torch.device("cpu"), torch.float32) if shipped_too else _untrained()
    for stage in stages:
        checkpoint = runs / stage / "checkpoint.pt"
        if not checkpoint.exists():
            continue
        weights = trained_weights(checkpoint)
        for name in ("restorer", "autoencoder", "unet", "controlnet"):
            prefix = f"{name}."
            part = {key.removeprefix(prefix): value for key, value in weights.items() if key.startswith(prefix)}
            getattr(networks, name).load_state_dict(part, strict=False)
        if stage == "autoencoder":
            _give_unit_latents(networks, pairs)
    for name in ("restorer", "autoencoder", "unet", "controlnet"):
        getattr(networks, name).requires_grad_(requires_grad=True)
    return networks


def export(runs: Path, shipped: Path, pairs: Pairs, *, sigma: float, steps: int, fidelity: float) -> None:
    """Write the newest networks into ``shipped``, with the decoder's defaults, and what each stage reached."""
    networks = replace(networks_of(runs, shipped, pairs), sigma=sigma)
    save_networks(networks, shipped, steps=steps, fidelity=fidelity)
    for stage in STAGES:
        rows = logged(runs / stage / "log.jsonl")
        if rows:
            kept = [row for row in rows if "validation" in row or row["step"] % 50 == 0]
            log = shipped / f"log-{stage}.jsonl"
            log.write_text("".join(json.dumps(row) + "\n" for row in kept))
            loss_plot(log, shipped / f"loss-{stage}.png")


def _untrained() -> PocketNetworks:
    with torch.random.fork_rng():
        torch.manual_seed(SEED)
        unet = new_unet()
        return PocketNetworks(slim_real_esrgan(), new_autoencoder(), unet, new_controlnet(unet), SIGMA)


def _give_unit_latents(networks: PocketNetworks, pairs: Pairs) -> None:
    """Set the autoencoder's scale so that latents have about unit variance, which the flow's noise has too."""
    autoencoder = networks.autoencoder
    picture = batch_of((pairs.pictures[:MEASURED], pairs.quarters[:MEASURED]))["picture"]
    with torch.inference_mode():
        deviation = float(
            torch.cat([encoded(autoencoder, picture[i : i + 8]) for i in range(0, len(picture), 8)]).std()
        )
    autoencoder.register_to_config(scaling_factor=round(autoencoder.config.scaling_factor / deviation, 4))
