"""A hash of the weights that the link computes with: other weights, other results."""

from __future__ import annotations

import hashlib
import os
from importlib import resources
from pathlib import Path
from typing import Final

from receiver.pocket.config import weights_folder
from shared.hci.coder import COMPRESSAI_VARIABLE
from shared.home import expand_home

WEIGHTS: Final = (".safetensors", ".json", ".npz", ".npy")


def weights_folders() -> tuple[Path, ...]:
    """Return the folders of weights and tables: those that ship, and those that environment variables name."""
    shipped = {Path(str(resources.files(name))) for name in ("models", "shared")}
    coders = os.environ.get(COMPRESSAI_VARIABLE)
    return tuple(sorted(shipped | {weights_folder()} | ({expand_home(coders)} if coders else set())))


def hash_weights() -> str:
    """Return a SHA-256 hash over all weights and tables of ``weights_folders``."""
    digest = hashlib.sha256()
    for folder in weights_folders():
        for file in sorted(folder.rglob("*")):
            if file.suffix in WEIGHTS:
                digest.update(file.name.encode() + b"\0")
                digest.update(hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()
