"""``python -m training.latent train|export|tables``; every command has ``--help``."""

from __future__ import annotations

import argparse
import math
import sys
from dataclasses import replace
from pathlib import Path

from shared.errors import LinkError
from training.data import REPOSITORY, TRAIN

RUNS = REPOSITORY / "runs" / "latent"
SHIPPED = REPOSITORY / "models" / "latent"


def _parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m training.latent", description=__doc__)
    parser.add_argument("--data", type=Path, default=TRAIN, help="folder of the training parquet files")
    parser.add_argument("--runs", type=Path, default=RUNS, help="folder of checkpoint, log and samples")
    parser.add_argument("--weights", type=Path, default=SHIPPED, help="folder of the weights that ship")
    commands = parser.add_subparsers(dest="command", required=True)
    train = commands.add_parser("train", help="train the analysis transform in its codec")
    train.add_argument("--minutes", type=float, default=math.inf, help="wall-clock limit; shortens the schedule")
    train.add_argument("--resume", action="store_true", help="go on from the checkpoint in --runs")
    train.add_argument("--start", action="store_true", help="begin with the weights in --weights, not anew")
    for name, kind in (("steps", int), ("batch", int), ("side", int), ("rate", float)):
        train.add_argument(f"--{name}", type=kind, help="instead of the recipe's own (recipe.py)")
    train.add_argument("--precision", choices=("auto", "no", "bf16"), default="auto")
    commands.add_parser("export", help="write the checkpoint's weights and new tables into --weights")
    commands.add_parser("tables", help="write new tables for the weights in --weights")
    return parser.parse_args()


def _run(arguments: argparse.Namespace) -> None:
    from training.latent.export import export, write_tables  # noqa: PLC0415 - --help answers at once

    if arguments.command == "export":
        export(arguments.runs, arguments.weights, arguments.data)
        return
    if arguments.command == "tables":
        write_tables(arguments.weights, arguments.data)
        return
    from training.latent.codec import load_shipped_codec  # noqa: PLC0415
    from training.latent.recipe import PLAN, LatentRecipe  # noqa: PLC0415
    from training.loop import train  # noqa: PLC0415

    names = ("steps", "batch", "side", "rate", "precision")
    given = {name: getattr(arguments, name) for name in names if getattr(arguments, name) is not None}
    plan = replace(PLAN, minutes=arguments.minutes, **given)
    codec = load_shipped_codec(arguments.weights) if arguments.start else None
    train(LatentRecipe(arguments.data, plan.seed, codec), plan, arguments.runs, resume=arguments.resume)


def main() -> int:
    """Run one command; a failure that a user can cause is one line on standard error and exit status 2."""
    try:
        _run(_parse_arguments())
    except LinkError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_status
    return 0


if __name__ == "__main__":
    sys.exit(main())
