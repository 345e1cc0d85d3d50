"""Options of ``train`` that the recipes of ``training.loop`` share."""

from __future__ import annotations

import argparse
import math
from typing import TYPE_CHECKING, Any

from shared.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

NUMBERS = ("steps", "batch", "side", "rate", "muon_rate", "sample_every")


def count(text: str) -> int:
    """Return a whole number of 1 or more."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text}: give a whole number, 1 or more")
    return int(text)


def positive(text: str) -> float:
    """Return a number above 0."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 < value < math.inf:
        raise argparse.ArgumentTypeError(f"{text}: give a number above 0")
    return value


def add_plan_options(train: argparse.ArgumentParser, **kinds: Callable[[str], float]) -> None:
    """Add what changes a ``Plan``, and how to treat a checkpoint that is there.

    ``kinds`` reads further numbers of the plan by their names, or known ones in another way.
    """
    known = train.add_mutually_exclusive_group()
    known.add_argument("--resume", action="store_true", help="go on from the stage's checkpoint, by its plan")
    known.add_argument("--restart", action="store_true", help="start anew and overwrite the stage's checkpoint")
    train.add_argument(
        "--minutes", type=positive, help="wall-clock limit, over all interruptions together; shortens the schedule"
    )
    readers: dict[str, Callable[[str], float]] = {
        "steps": count,
        "batch": count,
        "side": count,
        "rate": positive,
        "sample_every": count,
        **kinds,
    }
    for name, kind in readers.items():
        train.add_argument(f"--{name.replace('_', '-')}", type=kind, help="instead of the plan's own")
    train.add_argument("--precision", choices=("auto", "no", "bf16"), help="number type")


def plan_changes(arguments: argparse.Namespace) -> dict[str, Any]:
    """Return the fields of the plan that ``arguments`` change."""
    given = {name: getattr(arguments, name, None) for name in ("minutes", *NUMBERS, "precision")}
    return {name: value for name, value in given.items() if value is not None}


def check_checkpoint(folder: Path, arguments: argparse.Namespace) -> None:
    """Check that a checkpoint in ``folder`` is not overwritten by mistake.

    Raises:
        ConfigError: there is one, and ``arguments`` do not say what to do with it.
    """
    checkpoint = folder / "checkpoint.pt"
    if checkpoint.exists() and not (arguments.resume or arguments.restart):
        raise ConfigError(f"{checkpoint} is there: --resume goes on from it, --restart starts anew and overwrites it")
