"""``semlink doctor --profile``: what a model profile needs, what of it is here, and how to get the rest."""

from __future__ import annotations

import importlib.metadata
from typing import TYPE_CHECKING

from semlink.cli.finding import Finding
from shared.errors import LinkError
from shared.hub.files import cache_folder, find_part, find_profile, offline_variable
from shared.hub.layout import DECODER_ROLES, SENDER_ROLES, parts_of
from shared.hub.registry import load_profile

if TYPE_CHECKING:
    from collections.abc import Iterator

    from shared.hub.layout import Part
    from shared.hub.profile import ModelProfile

PACKAGES = ("torch", "diffusers", "transformers", "huggingface_hub", "safetensors", "tokenizers")


def examine_profile(name: str) -> list[Finding]:
    """Return everything that the model profile ``name`` needs, as found on this machine.

    Raises:
        UnknownNameError, ConfigError, InputError: there is no such profile, or it is not valid.
    """
    profile, variable = load_profile(name), offline_variable()
    return [
        Finding(f"profile {profile.name}", profile.task),
        *(_examine_package(package) for package in _packages(profile)),
        Finding("model cache", f"{cache_folder()}{f', offline by {variable}' if variable else ''}"),
        *(_examine_part(profile, part) for part in parts_of(profile)),
        *_examine_memory(profile),
    ]


def _packages(profile: ModelProfile) -> Iterator[str]:
    yield from PACKAGES
    quantised = profile.memory.quantisation != "none"
    if quantised or profile.memory.offload != "none":
        yield "accelerate"
    if quantised:
        yield "bitsandbytes"


def _examine_package(name: str) -> Finding:
    try:
        return Finding(name, importlib.metadata.version(name))
    except importlib.metadata.PackageNotFoundError:
        return Finding(name, "not installed", ok=False, remedy=f"pip install {name}")


def _examine_part(profile: ModelProfile, part: Part) -> Finding:
    item = f"{part.role} {part.source.label}"
    try:
        found = find_part(profile, part)
    except LinkError as error:
        return Finding(item, "not complete", ok=False, remedy=str(error))
    paths = [path for paths in found.weights.values() for path in paths]
    total = sum(path.stat().st_size for path in paths)
    return Finding(
        item, f"{len(paths)} files of weights, {total / 1e9:.3g} GB, {found.values / 1e6:.3g} million values"
    )


def _examine_memory(profile: ModelProfile) -> Iterator[Finding]:
    """Yield whether the weights fit into the memory of the device that decoder and sender would use."""
    try:
        import torch

        from shared.hub.memory import (
            check_memory,
            choose_dtype,
            free_bytes,
            needed_bytes,
            quantisation_config,
            without_layers,
        )
    except ImportError:
        return  # reported above
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        quantisation_config(profile, device)
    except LinkError as error:
        yield Finding(f"quantisation on {device}", "not possible", ok=False, remedy=str(error))
        return
    for user, roles, without in (
        ("decoder", DECODER_ROLES, "or use --decoder pocket"),
        ("captioner", SENDER_ROLES, "or leave --captioner out"),
    ):
        try:
            found = find_profile(profile, roles)
        except LinkError:
            continue  # reported above
        if not found:
            continue
        item = f"memory of {device} for the {user}"
        used = without_layers(profile) if roles is SENDER_ROLES else profile
        needed, free = needed_bytes(used, found, device), free_bytes(device)
        dtype = str(choose_dtype(profile, device)).removeprefix("torch.")
        try:
            check_memory(used, found, device, without)
        except LinkError as error:
            yield Finding(item, "not enough", ok=False, remedy=str(error))
            continue
        room = "not known" if free is None else f"{free / 1e9:.3g} GB"
        yield Finding(item, f"{room} free, the weights take {needed / 1e9:.3g} GB as {dtype}")
