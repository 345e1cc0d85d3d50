"""The stages in order, and the weights that each begins with: those that ship, replaced by what was trained here."""

from __future__ import annotations

import json
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np
import torch

from receiver.pocket.esrgan import load_real_esrgan
from receiver.pocket.fallback import FallbackSynthesis
from receiver.pocket.networks import PocketNetworks
from receiver.pocket.prompt import PromptEmbedding
from receiver.pocket.refiner import Refiner
from receiver.pocket.synthesis import load_synthesis
from receiver.pocket.texture_codes import CODEBOOK, Codebook
from receiver.pocket.weights import load_networks, save_networks
from sender.extractors.tokens import load_token_network, new_token_network, save_token_network
from shared.tokens.stream import TokenKind
from training.data import VALIDATION_FILE
from training.loop import Plan, Recipe, load_trained_weights
from training.pocket.fallback import FallbackRecipe
from training.pocket.losses import Weights
from training.pocket.pairs import Pairs, prepare_choices, prepare_pairs
from training.pocket.precomputed import prepare_precomputed
from training.pocket.pseudo_words import PseudoWordRecipe
from training.pocket.refiner import RefinerRecipe
from training.pocket.refiner_sources import prepare_refiner_pairs
from training.pocket.residual_tables import write_tables
from training.pocket.restorer import RestorerRecipe
from training.pocket.token_counts import TABLE, count_tokens, measure_bits_per_token
from training.report import draw_loss, read_log

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from torch import Tensor

    from sender.extractors.token_network import TokenNetwork
    from training.pocket.frozen_extractors import FrozenExtractors
    from training.pocket.precomputed import Precomputed

STAGES = ("restorer", "spw", "fallback", "refiner")
NETWORKS = ("restorer", "refiner", "prompt_embedding", "fallback")
HELD_OUT = 24
SEED = 1

PLANS = {
    "restorer": Plan(steps=20_000, batch=4, side=128, rate=1e-4),
    "spw": Plan(steps=20_000, batch=64, rate=1e-3, precision="no"),
    "fallback": Plan(steps=20_000, batch=32, rate=1e-3, precision="no"),
    "refiner": Plan(steps=40_000, batch=4, rate=4e-4, sample_every=2000),
}
WEIGHTS = {
    "restorer": Weights(),
    # LPIPS-Alex rewards etched strokes on even areas, so it weighs less.
    "refiner": Weights(lpips_alex=0.25),
}
TRAINED_STRIDE, HELD_OUT_STRIDE = 4, 2
"""Of the refiner's pairs, one in so many has a fallback image, and as many lose slices of their HCI."""


def load_pairs(data: Path, runs: Path, count: int, workers: int = 1) -> tuple[Pairs, Pairs]:
    """Return the pairs to train on and those held out: of ``val.parquet``, or of pictures left out of training.

    Raises:
        SetupError: too few pictures in ``data``, or ``runs`` holds the pairs of others.
    """
    choices = prepare_choices(data, runs / "choices.json")
    if (data / VALIDATION_FILE).exists():
        held_out = prepare_pairs(data, runs / "pairs-val", choices, count=HELD_OUT, pattern=VALIDATION_FILE)
        return prepare_pairs(data, runs / "pairs", choices, count=count, workers=workers), held_out
    held_out = prepare_pairs(data, runs / "pairs-val", choices, count=HELD_OUT, held_out=True)
    return prepare_pairs(data, runs / "pairs", choices, count=count, workers=workers, held_out=False), held_out


def make_recipe(stage: str, pairs: Pairs, held_out: Pairs, runs: Path, shipped: Path, count: int) -> Recipe:
    """Return the recipe of ``stage`` with the networks that it begins with.

    The later stages learn from what is precomputed of the first ``count`` pairs.

    Raises:
        SetupError: weights that it needs are missing or damaged.
    """
    networks = load_newest_networks(runs, shipped, stages=STAGES[: STAGES.index(stage)])
    if stage == "restorer":
        return RestorerRecipe(pairs, held_out, networks.restorer, WEIGHTS[stage])
    if stage == "refiner":
        return make_refiner_recipe(pairs[:count], held_out, networks, runs, shipped)
    return _make_precomputed_recipe(stage, pairs, held_out, networks, runs, shipped, count)


def _make_precomputed_recipe(
    stage: str, pairs: Pairs, held_out: Pairs, networks: PocketNetworks, runs: Path, shipped: Path, count: int
) -> Recipe:
    from training.pocket.frozen_extractors import FrozenExtractors  # noqa: PLC0415 - the first stages do without

    extractors = FrozenExtractors()
    precomputed = load_precomputed(extractors, pairs, runs / "precomputed", count)
    validation = load_precomputed(extractors, held_out, runs / "precomputed-val", len(held_out))
    tokens = load_token_networks(runs, shipped.parent / "tokens")
    if stage == "spw":
        return PseudoWordRecipe(precomputed, validation, tokens[TokenKind.SPW], extractors.classifier)
    return FallbackRecipe(precomputed, validation, networks.fallback, tokens)


def make_refiner_recipe(
    pairs: Pairs, held_out: Pairs, networks: PocketNetworks, runs: Path, shipped: Path
) -> RefinerRecipe:
    """Return the refiner's recipe; what the frozen networks make of the pairs is cached in ``runs``."""
    from training.pocket.frozen_extractors import FrozenExtractors  # noqa: PLC0415

    networks.restorer.to(memory_format=torch.channels_last).eval()  # type: ignore[call-overload]  # missing in torch's types
    extractors, words = FrozenExtractors(), load_token_networks(runs, shipped.parent / "tokens")[TokenKind.SPW]
    streams = [*extractors.make_stream_sources(), extractors.make_pseudo_word_source(words)]
    codebook = runs / CODEBOOK
    trained = prepare_refiner_pairs(networks, streams, pairs, runs / "restored", codebook, TRAINED_STRIDE)
    validation = prepare_refiner_pairs(networks, streams, held_out, runs / "restored-val", codebook, HELD_OUT_STRIDE)
    return RefinerRecipe(trained, validation, networks.refiner, networks.prompt_embedding, WEIGHTS["refiner"])


def load_precomputed(extractors: FrozenExtractors, pairs: Pairs, folder: Path, count: int) -> Precomputed:
    """Return the outputs of the frozen networks for the first ``count`` pairs, cached in ``folder``."""
    return prepare_precomputed(extractors.make_sources(), pairs, folder, count)


def write_token_counts(pairs: Pairs, runs: Path, shipped: Path, count: int) -> float:
    """Write the tables that tokens are coded by, and return the mean bits of a token over both kinds and all places."""
    from training.pocket.frozen_extractors import FrozenExtractors  # noqa: PLC0415

    precomputed = load_precomputed(FrozenExtractors(), pairs, runs / "precomputed", count)
    counts = count_tokens(load_token_networks(runs, shipped.parent / "tokens"), precomputed)
    np.save(TABLE, counts)
    return float(measure_bits_per_token(counts).mean())


def write_residual_tables(runs: Path) -> float:
    """Write the tables that residual tokens are coded by, counted over the refiner's pairs; return the bits of a token.

    Raises:
        SetupError: there is no codebook in ``runs``.
    """
    codebook = Codebook.load(runs / CODEBOOK)
    lost = np.asarray(np.load(runs / "restored" / "energy.npy", mmap_mode="r"), np.float32)
    return write_tables(codebook, codebook.assign(lost))


def load_token_networks(runs: Path, shipped: Path) -> dict[TokenKind, TokenNetwork]:
    """Return the newest token networks: those in ``shipped``, else untrained; replaced by what the stages trained."""
    networks = {}
    for kind in TokenKind:
        name = kind.name.lower()
        there = (shipped / f"{name}.safetensors").exists()
        with _fix_seed():
            network = load_token_network(shipped, kind) if there else new_token_network(kind)
        for stage in STAGES:
            checkpoint = runs / stage / "checkpoint.pt"
            if checkpoint.exists():
                network.load_state_dict(_select_part(load_trained_weights(checkpoint), f"{name}."), strict=False)
        networks[kind] = network.requires_grad_(requires_grad=True)
    return networks


def load_newest_networks(runs: Path, shipped: Path, stages: tuple[str, ...] = STAGES) -> PocketNetworks:
    """Return the newest networks: those in ``shipped`` (else untrained ones), replaced by what ``stages`` trained."""
    shipped_too = (shipped / "config.json").exists()
    networks = load_networks(shipped, torch.device("cpu"), torch.float32) if shipped_too else _make_untrained()
    for stage in stages:
        checkpoint = runs / stage / "checkpoint.pt"
        if not checkpoint.exists():
            continue
        weights = load_trained_weights(checkpoint)
        for name in NETWORKS:
            getattr(networks, name).load_state_dict(_select_part(weights, f"{name}."), strict=False)
    for name in NETWORKS:
        getattr(networks, name).requires_grad_(requires_grad=True)
    return networks


def _select_part(weights: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {key.removeprefix(prefix): value for key, value in weights.items() if key.startswith(prefix)}


def export(runs: Path, shipped: Path, *, steps: int, fidelity: float) -> None:
    """Write the newest networks into ``shipped``, with the decoder's defaults and each stage's log."""
    save_networks(load_newest_networks(runs, shipped), shipped, steps=steps, fidelity=fidelity)
    for kind, network in load_token_networks(runs, shipped.parent / "tokens").items():
        save_token_network(network, shipped.parent / "tokens", kind)
    if (runs / CODEBOOK).exists():
        Codebook.load(runs / CODEBOOK).save(shipped / CODEBOOK)
    for stage in STAGES:
        rows = read_log(runs / stage / "log.jsonl")
        if rows:
            kept = [row for row in rows if "validation" in row or row["step"] % 50 == 0]
            log = shipped / f"log-{stage}.jsonl"
            log.write_text("".join(json.dumps(row) + "\n" for row in kept))
            draw_loss(log, shipped / f"loss-{stage}.png")


def _make_untrained() -> PocketNetworks:
    with _fix_seed():
        return PocketNetworks(load_real_esrgan(), Refiner(), PromptEmbedding(), FallbackSynthesis(), load_synthesis())


@contextmanager
def _fix_seed() -> Iterator[None]:
    """Draw from ``SEED`` and leave torch's generator as it is."""
    with torch.random.fork_rng():
        torch.manual_seed(SEED)
        yield
