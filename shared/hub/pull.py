"""Downloads the files of a model profile from the model hub into its cache."""

from __future__ import annotations

import contextlib
import fnmatch
import logging
import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from shared.errors import InputError, ServiceError, SetupError
from shared.hub.files import (
    SHA256,
    cache_folder,
    change_hint,
    find_profile,
    hash_contents,
    offline_variable,
    pull_command,
    snapshot_folder,
)
from shared.hub.layout import TOKENIZER_CONFIG, VOCABULARIES, parts_of
from shared.hub.safetensors_file import count_values

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from shared.hub.layout import Component, Part
    from shared.hub.profile import ModelProfile, Source

    OnFile = Callable[["PulledFile"], None]

SMALL_FILES: Final = ("*.json", "*.txt", "*.model", "*.jinja")
"""What a folder holds besides weights: configurations, vocabularies and chat templates. No code."""
ROOM_BYTES: Final = 1 << 28


@dataclass(frozen=True, slots=True)
class PulledFile:
    """One file to fetch: its number of how many, its name, and its size in bytes."""

    number: int
    count: int
    name: str
    size: int


def pull_profile(profile: ModelProfile, on_file: OnFile) -> None:
    """Fetch what the cache lacks of ``profile``, and check it. ``on_file`` is called before each file.

    Files are written under a temporary name and renamed once they are complete, so none is ever half written.

    Raises:
        SetupError: the hub has no such repository, revision or file, or asks for a login; or a file is damaged.
        ServiceError: the hub does not answer.
        InputError: there is not enough room on the disk.
    """
    with _quiet_client():
        for part in parts_of(profile):
            if not part.source.is_local:
                _pull_part(profile, part, on_file)
    find_profile(profile)


@contextlib.contextmanager
def _quiet_client() -> Iterator[None]:
    """Leave out the lines of the hub's client about each retry: what fails in the end is reported once."""
    from huggingface_hub.utils import logging as client  # noqa: PLC0415 - half a second; the import sets the level

    level = client.get_verbosity()
    client.set_verbosity(logging.ERROR)
    try:
        yield
    finally:
        client.set_verbosity(level)


def _pull_part(profile: ModelProfile, part: Part, on_file: OnFile) -> None:
    import huggingface_hub  # noqa: PLC0415 - half a second to import

    source, endpoint = part.source, os.environ.get("HF_ENDPOINT") or None
    try:
        if offline_variable():
            find_profile(profile, (part.role,))
            return
        listed = huggingface_hub.HfApi(endpoint=endpoint).list_repo_tree(
            source.at, recursive=True, revision=source.revision
        )
        sizes = {one.path: one.size for one in listed if isinstance(one, huggingface_hub.hf_api.RepoFile)}
        folder = snapshot_folder(source)
        _check_listed(profile, part, list(sizes))
        missing = [name for name in choose_files(part, list(sizes)) if not _is_whole(folder / name, sizes[name])]
        _check_room(sum(sizes[name] for name in missing))
        for number, name in enumerate(missing, start=1):
            on_file(PulledFile(number, len(missing), f"{source.at}/{name}", sizes[name]))
            _remove(folder / name)
            path = huggingface_hub.hf_hub_download(
                source.at, name, revision=source.revision, cache_dir=cache_folder(), endpoint=endpoint
            )
            _check_hash(Path(path), profile)
    except (SetupError, InputError):
        raise
    except Exception as error:  # the client's errors have many classes, those of its HTTP library among them
        raise _explain(error, profile, source) from error


def choose_files(part: Part, names: Sequence[str]) -> list[str]:
    """Return those of the repository's files ``names`` that ``part`` needs: no code, no other weights."""
    return sorted({name for component in part.components for name in _files_of(component, part.source, names)})


def _files_of(component: Component, source: Source, names: Sequence[str]) -> Iterator[str]:
    variant = f".{source.variant}" if source.variant else ""
    stem = re.escape(component.stem)
    weights = re.compile(
        rf"{stem}{variant}(-\d+-of-\d+)?\.safetensors|{stem}\.safetensors\.index{re.escape(variant)}\.json"
    )
    for name in names:
        folder, _, file = name.rpartition("/")
        if folder == component.folder:
            small = any(fnmatch.fnmatchcase(file, one) for one in SMALL_FILES) and ".index." not in file
            if small or (component.stem and weights.fullmatch(file)):
                yield name


def _check_listed(profile: ModelProfile, part: Part, names: Sequence[str]) -> None:
    """Check that a repository with the files ``names`` has all that ``part`` needs, before anything is fetched."""
    variant = f" (variant {part.source.variant})" if part.source.variant else ""
    for component in part.components:
        prefix = f"{component.folder}/" if component.folder else ""
        chosen = set(_files_of(component, part.source, names))
        lacks = ""
        if f"{prefix}{component.config}" not in chosen:
            lacks = f"{prefix}{component.config}"
        elif component.stem and not any(name.endswith(".safetensors") for name in chosen):
            lacks = f"{prefix}{component.stem}.safetensors{variant}"
        elif component.config == TOKENIZER_CONFIG and not any(
            chosen.issuperset(prefix + name for name in files) for files in VOCABULARIES
        ):
            lacks = f"{prefix}{VOCABULARIES[0][0]}"
        if lacks:
            raise SetupError(
                f"model profile {profile.name}: {part.source.label} has no {lacks}: {change_hint(profile, part)}"
            )


def _check_room(needed: int) -> None:
    folder = cache_folder()
    existing = next(one for one in (folder, *folder.parents) if one.exists())
    free = shutil.disk_usage(existing).free
    if needed + ROOM_BYTES > free:
        raise InputError(
            f"the files need {needed / 1e9:.1f} GB and {folder} has {free / 1e9:.1f} GB free: free some, or set "
            "HF_HOME to another disk"
        )


def _is_whole(path: Path, size: int) -> bool:
    """Whether the file is there with its size, weights with a header that fits. Their hash is checked at the fetch."""
    try:
        if path.suffix == ".safetensors":
            count_values(path, "")
        return path.stat().st_size == size
    except (OSError, SetupError):
        return False


def _remove(path: Path) -> None:
    """Remove a file of the cache, and what it links to: the client would take a file that is there."""
    stored = path.resolve()
    path.unlink(missing_ok=True)
    stored.unlink(missing_ok=True)


def _check_hash(path: Path, profile: ModelProfile) -> None:
    """Check a large file, which the cache stores under its SHA-256; remove it if it is damaged."""
    stored = path.resolve()
    if SHA256.fullmatch(stored.name) and hash_contents(stored) != stored.name:
        _remove(path)
        raise SetupError(
            f"{path.name} arrived damaged, its SHA-256 is not that of the hub; run '{pull_command(profile)}' again"
        )


def _explain(error: Exception, profile: ModelProfile, source: Source) -> SetupError | ServiceError | InputError:
    """Return what a failure of the hub's client means for the user."""
    from huggingface_hub import errors  # noqa: PLC0415

    cases: list[tuple[Any, str]] = [
        (errors.GatedRepoError, "asks for its licence: accept it on the model's page, then run 'hf auth login'"),
        (errors.RevisionNotFoundError, "has no such revision: correct revision in the profile"),
        (errors.RepositoryNotFoundError, "is not on the hub, or needs a login: correct the profile or 'hf auth login'"),
        (errors.EntryNotFoundError, "lacks a file that its list names: run the command again"),
    ]
    for kind, meaning in cases:
        if isinstance(error, kind):
            return SetupError(f"model profile {profile.name}: {source.label} {meaning}")
    if isinstance(error, OSError) and error.filename:
        return InputError(f"cannot write {error.filename}: {error.strerror}; set HF_HOME to another place")
    endpoint = os.environ.get("HF_ENDPOINT")
    where = f"HF_ENDPOINT={endpoint} and the network" if endpoint else "the network"
    return ServiceError(
        f"the model hub does not answer for {source.label} ({type(error).__name__}): check {where}, then run "
        f"'{pull_command(profile)}' again"
    )
