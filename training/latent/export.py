"""From a checkpoint to the files that ship: the codec's parts as float16, the tables as integers."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING

import safetensors.numpy
import safetensors.torch

from receiver.pocket.synthesis import SYNTHESIS_NAME
from sender.extractors.latent import WEIGHTS_NAME, load_analysis
from shared.latent.tables import TABLES_NAME
from training.latent.pictures import Crops
from training.latent.tables import (
    SIDES,
    draw_latents,
    make_integer_tables,
    measure_order0_bits,
    measure_table_bits,
    train_contexts,
)
from training.loop import load_trained_weights

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor

PRIOR_NAME = "prior.safetensors"
"""The factorised prior, with which only training goes on."""
CROPS_COUNTED, CONTEXT_STEPS, SEED = 768, 250, 1
CROPS_MEASURED = 96


def export(runs: Path, shipped: Path, data: Path) -> None:
    """Write weights, tables and log of ``runs`` into ``shipped``, and report what the tables are worth.

    Raises:
        SetupError: there is no checkpoint or no training picture.
    """
    shipped.mkdir(parents=True, exist_ok=True)
    save_halves(load_trained_weights(runs / "checkpoint.pt"), shipped)
    shutil.copyfile(runs / "log.jsonl", shipped / "training-log.jsonl")
    write_tables(shipped, data)


def save_halves(weights: dict[str, Tensor], shipped: Path) -> None:
    """Write the codec's weights as float16: the sender's half, the receiver's, and what training alone uses."""
    files = {"analysis": WEIGHTS_NAME, "synthesis": SYNTHESIS_NAME, "prior": PRIOR_NAME}
    for part, name in files.items():
        own = {key.removeprefix(f"{part}."): value for key, value in weights.items() if key.startswith(f"{part}.")}
        halves = {key: value.detach().half().contiguous() for key, value in own.items()}
        safetensors.torch.save_file(halves, shipped / name)
        (shipped / name).chmod(0o644)  # safetensors leaves it unreadable for others


def write_tables(shipped: Path, data: Path) -> None:
    """Train and count the tables for the analysis in ``shipped``, write them, and print bits per sample.

    Raises:
        SetupError: there is no analysis or no training picture.
    """
    analysis, crops = load_analysis(shipped / WEIGHTS_NAME), Crops(data)
    parts = [draw_latents(analysis, crops, CROPS_COUNTED * SIDES[0] // side, side, SEED) for side in SIDES]
    model, history = train_contexts(parts, CONTEXT_STEPS, SEED)
    tables = make_integer_tables(model, parts)
    safetensors.numpy.save_file(tables, shipped / TABLES_NAME)
    (shipped / TABLES_NAME).chmod(0o644)
    print(json.dumps({"contexts_first": round(history[0], 4), "contexts_last": round(sum(history[-20:]) / 20, 4)}))
    for side in SIDES:
        part = draw_latents(analysis, crops, CROPS_MEASURED, side, SEED + 1)
        report = {
            "side": side,
            "order0_bits": measure_order0_bits(part),
            "table_bits": measure_table_bits(tables, part),
        }
        print(json.dumps({name: round(value, 4) for name, value in report.items()}))
