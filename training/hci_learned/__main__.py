"""``python -m training.hci_learned train|keep|export|evaluate|golden``; every command has ``--help``."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from shared.errors import LinkError
from training.data import REPOSITORY, TRAIN

RUN = REPOSITORY / "runs" / "hci-learned"
WEIGHTS = REPOSITORY / "models" / "hci-learned"
KEPT = REPOSITORY / "training" / "hci_learned" / "start.safetensors"


def _parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m training.hci_learned", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    train = commands.add_parser("train", help="train, or go on from the checkpoint in --out")
    train.add_argument("--data", type=Path, default=TRAIN, help="folder of train-*.parquet")
    train.add_argument("--out", type=Path, default=RUN, help="folder for checkpoint.pt, log.jsonl and the thumbnails")
    train.add_argument("--minutes", type=float, default=80.0, help="wall-clock budget of this call")
    train.add_argument(
        "--steps", type=int, default=10**6, help="length of the schedule, where it ends before --minutes"
    )
    train.add_argument("--batch", type=int, default=16)
    train.add_argument("--side", type=int, default=96, help="side of the training crops in pixels, a multiple of 16")
    train.add_argument("--workers", type=int, default=2, help="threads that share each batch (1 with --device cuda)")
    train.add_argument("--device", default="cpu")
    train.add_argument("--resume", action="store_true", help="go on from checkpoint.pt")
    train.add_argument("--start", type=Path, help="begin from weights that `keep` wrote, such as the committed ones")
    keep = commands.add_parser("keep", help="write a checkpoint's weights alone, to go on from elsewhere")
    keep.add_argument("checkpoint", type=Path)
    keep.add_argument("--out", type=Path, default=KEPT)
    export = commands.add_parser("export", help="turn a checkpoint into the integer weights that ship")
    export.add_argument("checkpoint", type=Path)
    export.add_argument("--out", type=Path, default=WEIGHTS)
    evaluate = commands.add_parser("evaluate", help="real bytes and PSNR per quality on validation thumbnails")
    evaluate.add_argument("--weights", type=Path, default=WEIGHTS)
    evaluate.add_argument("--data", type=Path, default=TRAIN, help="folder of val.parquet")
    evaluate.add_argument("--pictures", type=int, default=48)
    golden = commands.add_parser("golden", help="write the golden bitstream of the shipped weights again")
    golden.add_argument("--out", type=Path, default=REPOSITORY / "tests" / "shared" / "hci" / "learned_golden.json")
    return parser.parse_args()


def _train(arguments: argparse.Namespace) -> None:
    import torch  # noqa: PLC0415  (--help answers at once)

    from training.hci_learned.network import Widths  # noqa: PLC0415
    from training.hci_learned.thumbnails import prepare_thumbnails  # noqa: PLC0415
    from training.hci_learned.train import Plan, Trainer, train  # noqa: PLC0415

    torch.set_num_threads(1)  # the workers are the threads
    plan = Plan(steps=arguments.steps, batch=arguments.batch, side=arguments.side, workers=arguments.workers)
    thumbnails = prepare_thumbnails(arguments.data, arguments.out / "cache")
    trainer = Trainer(plan, Widths(), arguments.device)
    if arguments.resume and (arguments.out / "checkpoint.pt").exists():
        trainer.restore(arguments.out / "checkpoint.pt")
    elif arguments.start:
        trainer.start_from(arguments.start)
    else:
        trainer.start(thumbnails)
    train(trainer, thumbnails, arguments.out, arguments.minutes)


def main() -> int:
    """Run one command; a failure that a user can cause is one line on standard error and exit status 2."""
    arguments = _parse_arguments()
    try:
        if arguments.command == "train":
            _train(arguments)
        elif arguments.command == "keep":
            from training.hci_learned.train import keep  # noqa: PLC0415

            keep(arguments.checkpoint, arguments.out)
        elif arguments.command == "export":
            from training.hci_learned.export import export  # noqa: PLC0415

            export(arguments.checkpoint, arguments.out)
        elif arguments.command == "evaluate":
            from training.hci_learned.evaluate import evaluate  # noqa: PLC0415

            evaluate(arguments.weights, arguments.data, arguments.pictures)
        else:
            from training.hci_learned.evaluate import write_golden  # noqa: PLC0415

            write_golden(arguments.out)
    except LinkError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_status
    return 0


if __name__ == "__main__":
    sys.exit(main())
