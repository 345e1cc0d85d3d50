"""What rows depend on besides their configuration: the code, the libraries and the weights."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import importlib.metadata
import platform
import re
from importlib import resources
from pathlib import Path
from typing import Final

from semlink.pipeline import fingerprint

PACKAGES: Final = ("sender", "channel", "receiver", "shared")
"""Packages that make rows. They and ``FOLDERS`` are hashed completely, so that no file can be forgotten."""
FOLDERS: Final = ("baselines", "pipeline", "encoder_search", "evaluate", "sweep")
"""Folders of ``semlink`` that make rows. What only presents rows, as ``cli`` and ``report``, is not among them."""
SOURCES: Final = (".py", ".json", ".yaml", ".txt", ".npy", ".npz")
DIGEST_CHARACTERS: Final = 16
_REQUIREMENT: Final = re.compile(r"[A-Za-z0-9._-]+")


@functools.cache
def hash_code() -> str:
    """Return a hash over the source code and the libraries: other code, other rows."""
    digest = hashlib.sha256()
    semlink = Path(str(resources.files("semlink")))
    roots = [Path(str(resources.files(name))) for name in PACKAGES] + [semlink / name for name in FOLDERS]
    for root in roots:
        for file in sorted(one for one in root.rglob("*") if one.suffix in SOURCES):
            digest.update(str(file.relative_to(root.parent)).encode() + b"\0")
            digest.update(hashlib.sha256(file.read_bytes()).digest())
    digest.update(repr(library_versions()).encode())
    return digest.hexdigest()[:DIGEST_CHARACTERS]


def hash_weights() -> str:
    """Return a hash over all weights: other weights, other rows."""
    return _hash_weights(fingerprint.weights_folders())


@functools.cache
def _hash_weights(folders: tuple[Path, ...]) -> str:
    del folders  # only the cache needs them: environment variables can change them
    return fingerprint.hash_weights()[:DIGEST_CHARACTERS]


def library_versions() -> dict[str, str]:
    """Return the versions of the libraries that semlink requires and that are installed, sorted by name."""
    required = importlib.metadata.requires("semlink") or []
    names = {found[0].lower() for one in required if "extra ==" not in one and (found := _REQUIREMENT.match(one))}
    versions = {}
    for name in sorted(names):
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            versions[name] = importlib.metadata.version(name)
    return versions


def describe_versions() -> dict[str, str]:
    """Return what a report states: the versions of semlink, Python and the libraries, and the kind of machine."""
    return {
        "semlink": importlib.metadata.version("semlink"),
        "python": platform.python_version(),
        "machine": f"{platform.system()} {platform.machine()}",
        **library_versions(),
    }
