"""The command line that all benchmarks share. ``--help`` prints the docstring and measures nothing."""

from __future__ import annotations

import argparse
from pathlib import Path

from benchmarks.common.paths import RESULTS
from training.data import REPOSITORY


def make_parser(doc: str | None, out: str | Path = "", *, what: str = "file") -> argparse.ArgumentParser:
    """Return a parser with ``--out``, the file to write; ``out`` is its default, relative to docs/results.

    Without a default nothing is written unless ``--out`` is given. ``what`` says in the help text what is written.
    """
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    if out:
        path = RESULTS / out
        shown = path.relative_to(REPOSITORY)
        parser.add_argument("--out", type=Path, default=path, help=f"{what} to write; default {shown}")
    else:
        parser.add_argument("--out", type=Path, help=f"{what} to write; by default the results are only printed")
    return parser
