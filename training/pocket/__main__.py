"""``python -m training.pocket pairs|train|export``; every command has ``--help``."""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path

from shared.errors import LinkError
from training.arguments import add_plan_options, check_checkpoint, count, plan_changes, positive
from training.cache import RECORD, read_record
from training.data import REPOSITORY, TRAIN
from training.processes import main_process_first

RUNS = REPOSITORY / "runs" / "pocket"
SHIPPED = REPOSITORY / "models" / "pocket"
STAGES = ("restorer", "spw", "fallback", "refiner")
PAIRS, PRECOMPUTED = 6000, 4500


def _parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m training.pocket", description=__doc__)
    parser.add_argument(
        "--data",
        type=Path,
        help=f"folder of parquet files or of pictures; default: that of the pairs in --runs, else {TRAIN.name}/",
    )
    parser.add_argument("--runs", type=Path, default=RUNS, help="folder for pairs, checkpoints, logs and samples")
    parser.add_argument("--weights", type=Path, default=SHIPPED, help="folder of the weights that ship")
    parser.add_argument(
        "--pairs", type=count, help=f"training pairs, made once; default: those in --runs, else {PAIRS}"
    )
    parser.add_argument("--workers", type=count, default=2, help="processes that make the pairs")
    parser.add_argument(
        "--precompute", type=count, default=PRECOMPUTED, help="of the pairs, those that later stages learn from"
    )
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("pairs", help="send training pictures through the HCI codec")
    train = commands.add_parser("train", help="train one stage, from the stages before it")
    train.add_argument("stage", choices=STAGES)
    add_plan_options(train, muon_rate=positive)
    commands.add_parser("counts", help="write the tables that tokens are coded by")
    commands.add_parser("residual-tables", help="write the tables that residual tokens are coded by")
    export = commands.add_parser("export", help="write the newest weights of all stages into --weights")
    export.add_argument("--steps", type=int, default=0, help="the decoder's default steps")
    export.add_argument("--fidelity", type=float, default=0.5, help="the decoder's default fidelity")
    return parser.parse_args()


def _run(arguments: argparse.Namespace) -> None:
    if arguments.command == "train":
        check_checkpoint(arguments.runs / arguments.stage, arguments)
    from training.pocket import stages  # noqa: PLC0415 - --help answers at once

    known = read_record(arguments.runs / "pairs" / RECORD)
    data = arguments.data or Path(known.get("data", TRAIN))
    with main_process_first():
        pairs, held_out = stages.load_pairs(
            data, arguments.runs, arguments.pairs or known.get("count", PAIRS), arguments.workers
        )
    if arguments.command == "pairs":
        print(f"{len(pairs)} pairs to train on, {len(held_out)} held out, in {arguments.runs}")
    elif arguments.command == "train":
        from training.loop import load_plan, train  # noqa: PLC0415

        plan = stages.PLANS[arguments.stage]
        plan = replace(
            load_plan(arguments.runs / arguments.stage, plan) if arguments.resume else plan, **plan_changes(arguments)
        )
        recipe = stages.make_recipe(
            arguments.stage, pairs, held_out, arguments.runs, arguments.weights, arguments.precompute
        )
        train(recipe, plan, arguments.runs / arguments.stage, resume=arguments.resume)
    elif arguments.command == "counts":
        bits = stages.write_token_counts(pairs, arguments.runs, arguments.weights, arguments.precompute)
        print(f"{bits:.2f} bits a token")
    elif arguments.command == "residual-tables":
        print(f"{stages.write_residual_tables(arguments.runs):.2f} bits a token")
    else:
        settings = {name: getattr(arguments, name) for name in ("steps", "fidelity")}
        stages.export(arguments.runs, arguments.weights, **settings)


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
