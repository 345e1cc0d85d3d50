"""``python -m training.caption tables``; every command has ``--help``."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from shared.errors import LinkError

REPOSITORY = Path(__file__).resolve().parents[2]
DEFAULT_DATA = REPOSITORY.parent / "shared" / "data" / "train"
SHIPPED = REPOSITORY / "models" / "caption"


def _parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m training.caption", description=__doc__)
    parser.add_argument("--data", type=Path, default=DEFAULT_DATA, help="folder of parquet files with captions")
    parser.add_argument("--weights", type=Path, default=SHIPPED, help="folder of tables and weights that ship")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("tables", help="count the training captions into the caption coder's tables")
    return parser.parse_args()


def _run(arguments: argparse.Namespace) -> None:
    from training.caption.pictures import captioned  # noqa: PLC0415 - --help answers at once
    from training.caption.tables import write_tables  # noqa: PLC0415

    pictures = captioned(arguments.data, "train-*.parquet")
    path = arguments.weights / "language.npz"
    write_tables((caption for picture in pictures for caption in picture.captions), path)
    print(f"captions of {len(pictures)} pictures counted into {path} ({path.stat().st_size} bytes)")


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
