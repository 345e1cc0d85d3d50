"""The command line that all benchmarks share. ``--help`` prints the docstring and measures nothing."""

from __future__ import annotations

import argparse
from pathlib import Path

from benchmarks.common.paths import RESULTS


def make_parser(doc: str | None, out: str = "") -> argparse.ArgumentParser:
    """Return a parser with ``--out``, the file to write; ``out`` is its default, relative to docs/results.

    Without a default the results are only printed unless ``--out`` is given.
    """
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    if out:
        parser.add_argument(
            "--out", type=Path, default=RESULTS / out, help=f"file to write; default docs/results/{out}"
        )
    else:
        parser.add_argument("--out", type=Path, help="file to write; by default the results are only printed")
    return parser
