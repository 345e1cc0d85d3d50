"""``python -m training.hub PROFILE train STAGE`` and ``... export FOLDER``; both have ``--help``."""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from shared.errors import ConfigError, LinkError
from training.arguments import add_plan_options, check_checkpoint, count, plan_changes
from training.cache import RECORD, read_record
from training.data import REPOSITORY, TRAIN
from training.processes import main_process_first

if TYPE_CHECKING:
    from shared.hub.profile import ModelProfile
    from training.hub.examples import Examples

RUNS = REPOSITORY / "runs" / "hub"
PAIRS_FOLDER = REPOSITORY / "runs" / "pocket"
STAGES = ("control", "tokens", "joint")
PAIRS, HELD_OUT = 6000, 8


def _parse_arguments(given: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m training.hub", description=__doc__)
    parser.add_argument("profile", help="model profile: a name that 'semlink models' lists, or FILE.yaml")
    parser.add_argument("--runs", type=Path, help=f"folder of checkpoints and logs; default: {RUNS.name}/PROFILE")
    parser.add_argument("--lora", type=count, default=0, help="rank of low-rank changes of the base; 0: none")
    commands = parser.add_subparsers(dest="command", required=True)
    train = commands.add_parser("train", help="train one stage, from the stages before it")
    train.add_argument("stage", choices=STAGES)
    train.add_argument("--data", type=Path, help="folder of parquet files or of pictures, as for training.pocket")
    train.add_argument("--pairs-folder", type=Path, default=PAIRS_FOLDER, help="where training.pocket keeps its pairs")
    train.add_argument("--pairs", type=count, help=f"training pairs; default: those made already, else {PAIRS}")
    train.add_argument("--workers", type=count, default=2, help="processes that make the pairs")
    add_plan_options(train, side=_side)
    export = commands.add_parser("export", help="write the newest weights of all stages as a model profile")
    export.add_argument("out", type=Path, help="folder to write; its name is the profile's")
    return parser.parse_args(given)


def run(arguments: argparse.Namespace) -> None:
    """Run one command.

    Raises:
        LinkError: something that a user can change.
    """
    from shared.hub.registry import load_profile  # noqa: PLC0415 - --help answers at once

    profile = load_profile(arguments.profile)
    if profile.base is None:
        raise ConfigError(f"model profile {profile.name} has recipes of its own: python -m training.pocket --help")
    runs = arguments.runs or RUNS / profile.name
    if arguments.command == "train":
        _train(arguments, profile, runs)
        return
    import torch  # noqa: PLC0415

    from training.hub.export import export  # noqa: PLC0415

    file = export(profile, runs, arguments.out, torch.device("cpu"), lora_rank=arguments.lora)
    print(f"{file}: semlink decode FILE.sem FILE.png --decoder {file}")


def _train(arguments: argparse.Namespace, profile: ModelProfile, runs: Path) -> None:
    folder = runs / arguments.stage
    check_checkpoint(folder, arguments)
    from training.hub.export import load_stages  # noqa: PLC0415
    from training.hub.network import make_network, prepare_profile  # noqa: PLC0415
    from training.hub.recipe import PLANS, HubRecipe  # noqa: PLC0415
    from training.loop import load_plan, train  # noqa: PLC0415
    from training.pocket.pairs import SIDE  # noqa: PLC0415

    plan = PLANS[arguments.stage]
    if profile.family == "flux":  # its latent channels are those of crops that are not enlarged
        plan = replace(plan, side=SIDE)
    plan = replace(load_plan(folder, plan) if arguments.resume else plan, **plan_changes(arguments))
    with main_process_first() as device:
        examples, held_out = _load_examples(arguments, profile, runs)
    network = make_network(
        prepare_profile(profile, plan.precision, device),
        *(arguments.stage, examples.captions, device),
        lora_rank=arguments.lora,
    )
    load_stages(network, runs, before=arguments.stage)
    train(HubRecipe(arguments.stage, network, examples, held_out, plan.side), plan, folder, resume=arguments.resume)


def _load_examples(arguments: argparse.Namespace, profile: ModelProfile, runs: Path) -> tuple[Examples, Examples]:
    """Return the examples to train on and those held out; the pairs are those of ``training.pocket``."""
    from training.hub.examples import prepare_examples  # noqa: PLC0415
    from training.pocket.stages import load_pairs  # noqa: PLC0415

    known = read_record(arguments.pairs_folder / "pairs" / RECORD)
    data = arguments.data or Path(known.get("data", TRAIN))
    wanted = arguments.pairs or known.get("count", PAIRS)
    pairs, held_out = load_pairs(data, arguments.pairs_folder, wanted, arguments.workers)
    return (
        prepare_examples(pairs, runs / "examples", wanted, profile),
        prepare_examples(held_out, runs / "examples-val", HELD_OUT, profile),
    )


def _side(text: str) -> int:
    if not text.isdecimal() or int(text) < 32 or int(text) % 32:
        raise argparse.ArgumentTypeError(f"{text}: give a multiple of 32")
    return int(text)


def main(given: list[str] | None = None) -> int:
    """Run one command; a failure that a user can cause is one line on standard error and exit status 2."""
    try:
        run(_parse_arguments(given))
    except LinkError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_status
    return 0


if __name__ == "__main__":
    sys.exit(main())
