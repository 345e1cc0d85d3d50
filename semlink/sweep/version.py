"""What results depend on beside their configuration: the code, the libraries and the weights."""

from __future__ import annotations

import functools
import hashlib
import importlib.metadata
import platform
from importlib import resources
from pathlib import Path
from typing import Final

from receiver.pocket.config import weights_folder
from semlink.evaluate.link import weights_digest as all_weights_digest

PACKAGES: Final = ("sender", "channel", "receiver", "shared")
"""Their source, and that of ``FOLDERS``, makes the rows."""
FOLDERS: Final = ("pipeline", "encoder_search", "evaluate", "sweep")
"""Folders of ``semlink`` that are hashed whole, so that no file can be forgotten."""
LIBRARIES: Final = ("av", "numpy", "pillow", "sionna-no-rt", "torch")
SOURCES: Final = (".py", ".json", ".yaml", ".txt", ".npy", ".npz")


@functools.cache
def code_digest() -> str:
    """Return a hash over the source and the libraries that a row depends on: other code, other rows."""
    digest = hashlib.sha256()
    semlink = Path(str(resources.files("semlink")))
    roots = [Path(str(resources.files(name))) for name in PACKAGES] + [semlink / name for name in FOLDERS]
    for root in roots:
        for file in sorted(one for one in root.rglob("*") if one.suffix in SOURCES):
            digest.update(str(file.relative_to(root.parent)).encode() + b"\0")
            digest.update(hashlib.sha256(file.read_bytes()).digest())
    digest.update(repr(library_versions()).encode())
    return digest.hexdigest()[:16]


def weights_digest() -> str:
    """Return a hash over all weights: other weights, other rows."""
    return _digest_with(weights_folder())


@functools.cache
def _digest_with(pocket: Path) -> str:
    del pocket  # named by the environment; the other weights ship
    return all_weights_digest()[:16]


def library_versions() -> dict[str, str]:
    """Return the versions of the libraries that compute."""
    return {name: importlib.metadata.version(name) for name in LIBRARIES}


def versions() -> dict[str, str]:
    """Return what a report states: ours, Python's, the libraries', and the machine's kind."""
    return {
        "semlink": importlib.metadata.version("semlink"),
        "python": platform.python_version(),
        "machine": f"{platform.system()} {platform.machine()}",
        **library_versions(),
    }
