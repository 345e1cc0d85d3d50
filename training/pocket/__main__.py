"""``python -m training.pocket pairs|train|export``; every command has ``--help``."""

from __future__ import annotations

import argparse
import math
import sys
from dataclasses import replace
from pathlib import Path

from shared.errors import LinkError
from training.pocket.pictures import DEFAULT_DATA, REPOSITORY

RUNS = REPOSITORY / "runs" / "pocket"
SHIPPED = REPOSITORY / "models" / "pocket"
STAGES = ("restorer", "autoencoder", "spw", "flow", "finetune")


def _parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m training.pocket", description=__doc__)
    parser.add_argument("--data", type=Path, default=DEFAULT_DATA, help="folder of parquet files or of pictures")
    parser.add_argument("--runs", type=Path, default=RUNS, help="folder for pairs, checkpoints, logs and samples")
    parser.add_argument("--weights", type=Path, default=SHIPPED, help="folder of the weights that ship")
    parser.add_argument("--pairs", type=int, default=6000, help="training pairs, made once and kept in --runs")
    parser.add_argument("--workers", type=int, default=2, help="processes that make the pairs")
    parser.add_argument("--evidence", type=int, default=4500, help="of these, pairs that later stages learn from")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("pairs", help="send training pictures through the HCI codec")
    train = commands.add_parser("train", help="train one stage, from the stages before it")
    train.add_argument("stage", choices=STAGES)
    train.add_argument("--minutes", type=float, default=math.inf, help="wall-clock limit; shortens the schedule")
    train.add_argument("--resume", action="store_true", help="go on from the stage's checkpoint")
    for name, kind in (("steps", int), ("batch", int), ("side", int), ("rate", float), ("muon-rate", float)):
        train.add_argument(f"--{name}", type=kind, help="instead of the recipe's own (stages.py)")
    train.add_argument("--precision", choices=("no", "bf16"), default="bf16")
    train.add_argument("--sample-every", type=int, default=250, help="steps between validations and sample grids")
    commands.add_parser("counts", help="write the tables that tokens are coded by")
    export = commands.add_parser("export", help="write the newest weights of all stages into --weights")
    export.add_argument("--sigma", type=float, default=0.25, help="noise at the flow's start, as trained")
    export.add_argument("--steps", type=int, default=0, help="the decoder's default steps")
    export.add_argument("--fidelity", type=float, default=0.5, help="the decoder's default fidelity")
    return parser.parse_args()


def _run(arguments: argparse.Namespace) -> None:
    from training.pocket.stages import PLANS, export, pairs_of, recipe_of, write_token_counts  # noqa: PLC0415 - --help answers at once

    pairs, held_out = pairs_of(arguments.data, arguments.runs, arguments.pairs, arguments.workers)
    if arguments.command == "pairs":
        print(f"{len(pairs)} pairs to train on, {len(held_out)} held out, in {arguments.runs}")
    elif arguments.command == "train":
        from training.pocket.loop import train  # noqa: PLC0415

        names = ("steps", "batch", "side", "rate", "muon_rate", "precision", "sample_every")
        given = {name: getattr(arguments, name) for name in names if getattr(arguments, name) is not None}
        plan = replace(PLANS[arguments.stage], minutes=arguments.minutes, **given)
        recipe = recipe_of(arguments.stage, pairs, held_out, arguments.runs, arguments.weights, arguments.evidence)
        train(recipe, plan, arguments.runs / arguments.stage, resume=arguments.resume)
    elif arguments.command == "counts":
        bits = write_token_counts(pairs, arguments.runs, arguments.weights, arguments.evidence)
        print(f"{bits:.2f} bits a token")
    else:
        settings = {name: getattr(arguments, name) for name in ("sigma", "steps", "fidelity")}
        export(arguments.runs, arguments.weights, pairs, **settings)


def main() -> int:
    """Run one command; a failure that a user can cause is one line on standard error and exit status 2."""
    try:
        _run(_parsed())
    except LinkError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_status
    return 0


if __name__ == "__main__":
    sys.exit(main())
