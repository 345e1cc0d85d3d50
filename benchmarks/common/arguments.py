"""The command line that all benchmarks share. ``--help`` prints the docstring and measures nothing."""

from __future__ import annotations

import argparse
from pathlib import Path

from benchmarks.common.paths import RESULTS
from training.data import REPOSITORY


def make_parser(doc: str | None, out: str | Path = "", *, what: str = "file") -> argparse.ArgumentParser:
    """Return a parser with ``--out``, the file to write; ``out`` is its default, relative to docs/results.

    Without a default nothing is written unless ``--out`` is given. ``what`` says in the help text what is written. A
    file in a folder that does not exist is refused here, not after the measurement.
    """
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    kind = Path if what == "folder" else _file_in_a_folder
    if out:
        path = RESULTS / out
        shown = path.relative_to(REPOSITORY)
        parser.add_argument("--out", type=kind, default=path, help=f"{what} to write; default {shown}")
    else:
        parser.add_argument("--out", type=kind, help=f"{what} to write; by default the results are only printed")
    return parser


def _file_in_a_folder(text: str) -> Path:
    path = Path(text)
    if not path.absolute().parent.is_dir():
        raise argparse.ArgumentTypeError(f"{path.parent} is not a folder; make it first")
    return path
