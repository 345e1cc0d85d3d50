"""``python -m training.pocket pairs|train|export``; every command has ``--help``."""

from __future__ import annotations

import argparse
import contextlib
import sys
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from shared.errors import ConfigError, LinkError
from training.cache import RECORD, read_record
from training.data import REPOSITORY, TRAIN

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

RUNS = REPOSITORY / "runs" / "pocket"
SHIPPED = REPOSITORY / "models" / "pocket"
STAGES = ("restorer", "autoencoder", "spw", "flow", "finetune", "fallback", "refiner")
PAIRS, PRECOMPUTED = 6000, 4500
PREPARATION = timedelta(hours=12)
"""How long processes wait for the one that makes the pairs or validates."""


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
        "--pairs", type=_positive, help=f"training pairs, made once; default: those in --runs, else {PAIRS}"
    )
    parser.add_argument("--workers", type=_positive, default=2, help="processes that make the pairs")
    parser.add_argument(
        "--precompute", type=_positive, default=PRECOMPUTED, help="of the pairs, those that later stages learn from"
    )
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("pairs", help="send training pictures through the HCI codec")
    train = commands.add_parser("train", help="train one stage, from the stages before it")
    train.add_argument("stage", choices=STAGES)
    train.add_argument(
        "--minutes", type=float, help="wall-clock limit, over all interruptions together; shortens the schedule"
    )
    known = train.add_mutually_exclusive_group()
    known.add_argument("--resume", action="store_true", help="go on from the stage's checkpoint, by its plan")
    known.add_argument("--restart", action="store_true", help="start anew and overwrite the stage's checkpoint")
    kinds: dict[str, Callable[[str], float]] = {
        "steps": _positive,
        "batch": _positive,
        "side": _positive,
        "rate": float,
        "muon-rate": float,
    }
    for name, kind in kinds.items():
        train.add_argument(f"--{name}", type=kind, help="instead of the plan's own (stages.py)")
    train.add_argument("--precision", choices=("auto", "no", "bf16"), help="number type")
    train.add_argument("--sample-every", type=_positive, help="steps between validations and sample grids")
    commands.add_parser("counts", help="write the tables that tokens are coded by")
    export = commands.add_parser("export", help="write the newest weights of all stages into --weights")
    export.add_argument("--sigma", type=float, default=0.05, help="noise at the flow's start, as trained")
    export.add_argument("--steps", type=int, default=0, help="the decoder's default steps")
    export.add_argument("--fidelity", type=float, default=0.5, help="the decoder's default fidelity")
    return parser.parse_args()


def _run(arguments: argparse.Namespace) -> None:
    checkpoint = arguments.runs / getattr(arguments, "stage", "") / "checkpoint.pt"
    if arguments.command == "train" and checkpoint.exists() and not (arguments.resume or arguments.restart):
        raise ConfigError(f"{checkpoint} is there: --resume goes on from it, --restart starts anew and overwrites it")
    from training.pocket import stages  # noqa: PLC0415 - --help answers at once

    known = read_record(arguments.runs / "pairs" / RECORD)
    data = arguments.data or Path(known.get("data", TRAIN))
    with _main_process_first():
        pairs, held_out = stages.load_pairs(
            data, arguments.runs, arguments.pairs or known.get("count", PAIRS), arguments.workers
        )
    if arguments.command == "pairs":
        print(f"{len(pairs)} pairs to train on, {len(held_out)} held out, in {arguments.runs}")
    elif arguments.command == "train":
        from training.loop import load_plan, train  # noqa: PLC0415

        names = ("minutes", "steps", "batch", "side", "rate", "muon_rate", "precision", "sample_every")
        given = {name: getattr(arguments, name) for name in names if getattr(arguments, name) is not None}
        plan = stages.PLANS[arguments.stage]
        plan = replace(load_plan(arguments.runs / arguments.stage, plan) if arguments.resume else plan, **given)
        recipe = stages.make_recipe(
            arguments.stage, pairs, held_out, arguments.runs, arguments.weights, arguments.precompute
        )
        train(recipe, plan, arguments.runs / arguments.stage, resume=arguments.resume)
    elif arguments.command == "counts":
        bits = stages.write_token_counts(pairs, arguments.runs, arguments.weights, arguments.precompute)
        print(f"{bits:.2f} bits a token")
    else:
        settings = {name: getattr(arguments, name) for name in ("sigma", "steps", "fidelity")}
        stages.export(arguments.runs, arguments.weights, pairs, **settings)


@contextlib.contextmanager
def _main_process_first() -> Iterator[None]:
    """Of several processes, have the main one make the pairs, for which the others wait."""
    import torch  # noqa: PLC0415
    from accelerate import PartialState  # noqa: PLC0415

    state = PartialState(cpu=not torch.cuda.is_available(), timeout=PREPARATION)
    with state.main_process_first():
        yield


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text}: give a whole number, 1 or more")
    return int(text)


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
