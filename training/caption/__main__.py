"""``python -m training.caption tables|features|train|export``; every command has ``--help``."""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from shared.errors import LinkError
from training.data import REPOSITORY, TRAIN, TRAINING_FILES

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from training.caption.pictures import Captioned

RUNS = REPOSITORY / "runs" / "caption"
SHIPPED = REPOSITORY / "models" / "caption"
HELD_OUT = 200
"""The last captioned training pictures validate the run and choose the search; val.parquet is for the final figures."""


def _parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m training.caption", description=__doc__)
    parser.add_argument("--data", type=Path, default=TRAIN, help="folder of parquet files with captions")
    parser.add_argument("--runs", type=Path, default=RUNS, help="folder for features, checkpoint, log and samples")
    parser.add_argument("--weights", type=Path, default=SHIPPED, help="folder of tables and weights that ship")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("tables", help="count the training captions into the caption coder's tables")
    commands.add_parser("features", help="compute the training pictures' features, once")
    train = commands.add_parser("train", help="train the captioner, with the tables that ship")
    train.add_argument("--resume", action="store_true", help="go on from the checkpoint, by its plan")
    for name, kind, text in (
        ("minutes", float, "wall-clock limit; shortens the schedule"),
        ("steps", int, "length of the schedule"),
        ("batch", int, "pictures per step, five captions each"),
        ("rate", float, "learning rate"),
        ("sample-every", int, "steps between validations"),
    ):
        train.add_argument(f"--{name}", type=kind, help=text)
    train.add_argument("--precision", choices=("auto", "no", "bf16"))
    commands.add_parser("export", help="write the checkpoint's weights, float16, into --weights")
    return parser.parse_args()


def _run(arguments: argparse.Namespace) -> None:
    if arguments.command == "tables":
        _count(arguments)
    elif arguments.command == "features":
        pictures, _ = load_training_set(arguments.data, arguments.runs)
        print(f"features of {len(pictures)} pictures are in {arguments.runs}")
    elif arguments.command == "train":
        _train(arguments)
    else:
        from training.caption.recipe import export  # noqa: PLC0415 - --help answers at once

        export(arguments.runs, arguments.weights)


def _count(arguments: argparse.Namespace) -> None:
    from training.caption.pictures import read_captioned  # noqa: PLC0415
    from training.caption.tables import write_tables  # noqa: PLC0415

    pictures = read_captioned(arguments.data, TRAINING_FILES)
    path = arguments.weights / "language.npz"
    write_tables((caption for picture in pictures for caption in picture.captions), path)
    print(f"captions of {len(pictures)} pictures counted into {path} ({path.stat().st_size} bytes)")


def load_training_set(data: Path, runs: Path) -> tuple[list[Captioned], NDArray[np.float16]]:
    """Return the captioned training pictures and their features ``[N, 64, 1280]``, computed at the first call."""
    from training.caption.pictures import compute_features, read_captioned  # noqa: PLC0415

    pictures = read_captioned(data, TRAINING_FILES)
    return pictures, compute_features(pictures, runs / "features-train.npy")


def _train(arguments: argparse.Namespace) -> None:
    import torch  # noqa: PLC0415

    from training.caption.recipe import CaptionerRecipe  # noqa: PLC0415
    from training.loop import Plan, load_plan, train  # noqa: PLC0415

    pictures, features = load_training_set(arguments.data, arguments.runs)
    torch.manual_seed(Plan.seed)  # the first weights
    recipe = CaptionerRecipe((pictures[:-HELD_OUT], features[:-HELD_OUT]), (pictures[-HELD_OUT:], features[-HELD_OUT:]))
    out = arguments.runs / "captioner"
    default = Plan(steps=5000, batch=16, rate=1e-3, ema_decay=0.998, log_every=25, sample_every=500)
    plan = load_plan(out, default) if arguments.resume else default
    names = ("steps", "batch", "rate", "minutes", "precision", "sample_every")
    given = {name: getattr(arguments, name) for name in names if getattr(arguments, name) is not None}
    train(recipe, replace(plan, **given), out, resume=arguments.resume)


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
