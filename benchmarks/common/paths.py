"""Folders that benchmarks read from and write to. Training files: ``training/data.py``."""

from __future__ import annotations

from typing import Final

from training.data import DATA, REPOSITORY

RESULTS: Final = REPOSITORY / "docs" / "results"
SCRATCH: Final = REPOSITORY / "out"
KODAK: Final = DATA / "kodak"
MARS: Final = DATA / "mars"
