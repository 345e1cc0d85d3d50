"""Finds the files of a model profile: in a local folder, or in the cache of the model hub. Downloads nothing.

The cache is that of ``huggingface_hub``: the folder in ``HF_HUB_CACHE``, else ``hub`` in ``HF_HOME``, else
``huggingface/hub`` in ``XDG_CACHE_HOME`` or ``~/.cache``. Weights are safetensors files only, and no code from a
repository is ever run: the classes are those of the installed libraries (``shared/hub/layout.py``).
"""

from __future__ import annotations

import functools
import hashlib
import json
import os
import re
import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from shared.errors import SetupError
from shared.home import expand_home
from shared.hub.layout import TOKENIZER_CONFIG, VOCABULARIES, parts_of
from shared.hub.safetensors_file import count_values

if TYPE_CHECKING:
    from pathlib import Path

    from shared.hub.layout import Component, Part
    from shared.hub.profile import ModelProfile, Source

SHA256: Final = re.compile(r"[0-9a-f]{64}")
MAX_CONFIG_BYTES: Final = 4 << 20
OFFLINE_VARIABLES: Final = ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE")
TRUE_TEXTS: Final = ("1", "ON", "YES", "TRUE")
DIGEST_CHARACTERS: Final = 16


@dataclass(frozen=True, slots=True)
class FoundPart:
    """A part whose files are all there. ``weights`` holds them by component folder."""

    part: Part
    folder: Path
    weights: dict[str, tuple[Path, ...]]

    @property
    def values(self) -> int:
        """Number of weights."""
        return sum(self.values_by_network)

    @property
    def values_by_network(self) -> list[int]:
        """Number of weights of each component."""
        return [sum(count_values(path, "") for path in paths) for paths in self.weights.values()]


def cache_folder() -> Path:
    """Return the folder of the hub's cache.

    Raises:
        SetupError: there is no such home folder.
    """
    named = os.environ.get("HF_HUB_CACHE") or os.environ.get("HUGGINGFACE_HUB_CACHE")
    home = os.environ.get("HF_HOME") or f"{os.environ.get('XDG_CACHE_HOME') or '~/.cache'}/huggingface"
    return expand_home(os.path.expandvars(named or f"{home}/hub"))


def offline_variable() -> str:
    """Return the environment variable that forbids to ask the model hub; "" if none does. The order is the hub's."""
    name = next((one for one in OFFLINE_VARIABLES if os.environ.get(one)), "")
    return name if os.environ.get(name, "").upper() in TRUE_TEXTS else ""


def pull_command(profile: ModelProfile) -> str:
    """Return the command that brings the files of ``profile``."""
    return f"semlink models pull {shlex.quote(profile.reference)}"


def replace_hint(profile: ModelProfile, source: Source) -> str:
    """Return how to get files of ``source`` in place of those that are there but cannot be used."""
    if source.is_local:
        return f"put another model into {source.at}, or change the profile {profile.name}"
    return (
        f"delete {snapshot_folder(source).parents[1]} and run '{pull_command(profile)}', or change the profile "
        f"{profile.name}"
    )


def change_hint(profile: ModelProfile, part: Part) -> str:
    """Return the way out where no copy of ``part`` will do."""
    if part.source.is_local:
        return f"put another model into {part.source.at}, or change the profile {profile.name}"
    return f"give {part.role} of the profile {profile.name} another model, revision or variant"


def find_profile(profile: ModelProfile, roles: tuple[str, ...] = ()) -> list[FoundPart]:
    """Return the parts of ``profile`` with all their files; ``roles`` selects some of them.

    Raises:
        SetupError: a file is missing or damaged, or is of another class; the message has the command that brings it.
    """
    return [find_part(profile, part) for part in parts_of(profile) if not roles or part.role in roles]


def find_part(profile: ModelProfile, part: Part) -> FoundPart:
    """Return one part of ``profile`` with all its files.

    Raises:
        SetupError: as ``find_profile``.
    """
    remedy = _remedy(profile, part.source)
    folder = _find_folder(profile, part, remedy)
    weights = {}
    for component in part.components:
        _check_config(folder, component, remedy, change_hint(profile, part))
        if component.stem:
            weights[component.folder] = _find_weights(folder / component.folder, component, part.source, remedy)
    for paths in weights.values():
        for path in paths:
            count_values(path, remedy)
    return FoundPart(part, folder, weights)


def is_cached(profile: ModelProfile) -> bool:
    """Whether all files of ``profile`` are there."""
    try:
        find_profile(profile)
    except SetupError:
        return False
    return True


def snapshot_folder(source: Source) -> Path:
    """Return the folder in the hub's cache that holds ``source`` at its revision, whether it is there or not."""
    return cache_folder() / f"models--{source.at.replace('/', '--')}" / "snapshots" / str(source.revision)


def hash_profile(profile: ModelProfile, roles: tuple[str, ...] = ()) -> str:
    """Return a SHA-256 hash over the settings of ``profile`` and its weight files, of ``DIGEST_CHARACTERS`` digits.

    Raises:
        SetupError: a file is missing or damaged.
    """
    settings = profile.model_dump_json(include=None, exclude={"task", "licence", "download_gb", "memory_gb"})
    digest = hashlib.sha256(settings.encode())
    for found in find_profile(profile, roles):
        for folder, paths in found.weights.items():
            for path in paths:
                digest.update(f"{found.part.role}/{folder}/{path.name}:{hash_file(path)}\n".encode())
        for component in found.part.components:
            digest.update((found.folder / component.folder / component.config).read_bytes())
    return digest.hexdigest()[:DIGEST_CHARACTERS]


def hash_file(path: Path) -> str:
    """Return the SHA-256 of a weights file.

    The hub's cache stores large files under their hash, which ``semlink models pull`` has checked. Other files are
    read, once per process.
    """
    stored = path.resolve()
    if path.is_symlink() and SHA256.fullmatch(stored.name):
        return stored.name
    status = stored.stat()
    return _hash_bytes(stored, status.st_size, status.st_mtime_ns)


def hash_contents(path: Path) -> str:
    """Return the SHA-256 of the bytes in ``path``."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@functools.lru_cache(maxsize=256)
def _hash_bytes(path: Path, size: int, time_ns: int) -> str:
    del size, time_ns  # a changed file is another key
    return hash_contents(path)


def _remedy(profile: ModelProfile, source: Source) -> str:
    if source.is_local:
        return f"put the model into {source.at}, or change the profile {profile.name}"
    variable = offline_variable()
    return f"{f'unset {variable} and ' if variable else ''}run '{pull_command(profile)}'"


def _find_folder(profile: ModelProfile, part: Part, remedy: str) -> Path:
    source = part.source
    folder = expand_home(source.at) if source.is_local else snapshot_folder(source)
    if _is_folder(folder):
        return folder
    what = f"model profile {profile.name}: {part.role} {source.label}"
    if source.is_local:
        raise SetupError(f"{what} is not there: no such folder; {remedy}")
    known = folder.parent.glob("*") if _is_folder(folder.parent) else ()
    others = sorted(one.name[:12] for one in known if _is_folder(one))
    if others:
        raise SetupError(f"{what} is not cached; the cache has revision {', '.join(others)} of it; {remedy}")
    raise SetupError(f"{what} is not cached; {remedy}")


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:  # for instance a name that is too long
        return False


def _check_config(folder: Path, component: Component, remedy: str, change: str) -> None:
    """Check that the configuration of ``component`` is there and that of the class that will be loaded.

    Messages end with ``remedy``, the one on another class with ``change``.
    """
    path = folder / component.folder / component.config
    config = read_json(path, remedy)
    if component.config == TOKENIZER_CONFIG and not any(
        all((path.parent / name).is_file() for name in names) for names in VOCABULARIES
    ):
        raise SetupError(f"{path.parent} holds no vocabulary: {VOCABULARIES[0][0]} is missing; {remedy}")
    if not component.class_name:
        return
    listed = config.get("architectures")
    said = config.get("_class_name") or (listed[0] if isinstance(listed, list) and listed else None)
    if said != component.class_name:
        raise SetupError(f"{path} is of class {said}; this profile needs {component.class_name}; {change}")


def read_json(path: Path, remedy: str) -> dict[str, Any]:
    """Return the JSON object in ``path``. Error messages end with ``remedy``.

    Raises:
        SetupError: the file is missing, too large, or holds something else.
    """
    try:
        if path.stat().st_size > MAX_CONFIG_BYTES:
            raise SetupError(f"{path} is damaged, it is larger than {MAX_CONFIG_BYTES} bytes; {remedy}")
        value = json.loads(path.read_bytes())
    except OSError as error:
        raise SetupError(f"{path} is missing; {remedy}") from error
    except (ValueError, RecursionError) as error:
        raise SetupError(f"{path} is damaged, it is not JSON; {remedy}") from error
    if not isinstance(value, dict):
        raise SetupError(f"{path} is damaged, it holds no settings; {remedy}")
    return value


def _find_weights(folder: Path, component: Component, source: Source, remedy: str) -> tuple[Path, ...]:
    """Return the weights files of a component: one, or the shards that an index names."""
    variant = f".{source.variant}" if source.variant else ""
    whole = folder / f"{component.stem}{variant}.safetensors"
    if whole.is_file():
        return (whole,)
    index = folder / f"{component.stem}.safetensors.index{variant}.json"
    if not index.is_file():
        raise SetupError(f"{whole} is missing; {remedy}")
    shards = read_json(index, remedy).get("weight_map")
    names = sorted({str(one) for one in shards.values()}) if isinstance(shards, dict) else []
    if not names or any("/" in name or not name.endswith(".safetensors") for name in names):
        raise SetupError(f"{index} is damaged, it names no safetensors files of its folder; {remedy}")
    missing = next((folder / name for name in names if not (folder / name).is_file()), None)
    if missing is not None:
        raise SetupError(f"{missing} is missing; {remedy}")
    return tuple(folder / name for name in names)
