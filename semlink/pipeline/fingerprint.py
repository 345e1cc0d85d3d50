"""A hash of the weights that the link computes with: other weights, other results."""

from __future__ import annotations

import hashlib
from importlib import resources
from pathlib import Path
from typing import Final

from receiver.pocket.config import weights_folder

WEIGHTS: Final = (".safetensors", ".json", ".npz", ".npy")


def hash_weights() -> str:
    """Return a SHA-256 hash over all weights and tables of ``models``, ``shared`` and the pocket decoder's folder."""
    digest = hashlib.sha256()
    shipped = {Path(str(resources.files(name))) for name in ("models", "shared")}
    for folder in sorted(shipped | {weights_folder()}):
        for file in sorted(folder.rglob("*")):
            if file.suffix in WEIGHTS:
                digest.update(file.name.encode() + b"\0")
                digest.update(hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()
