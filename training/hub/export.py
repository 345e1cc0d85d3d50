"""Writes what was trained as a model profile that decoders use: networks in hub layout and a YAML file beside them."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any

from shared.errors import InputError, SetupError
from shared.hub.files import find_profile
from shared.hub.profile import ModelProfile
from shared.validation import validate
from training.hub.network import TRAINED, make_network, prepare_profile
from training.loop import load_trained_weights

if TYPE_CHECKING:
    from pathlib import Path

    import torch

    from training.hub.network import HubNetwork

CONTROLNET, ADAPTERS, BASE = "controlnet", "adapters", "base"


def load_stages(network: HubNetwork, runs: Path, before: str = "") -> list[str]:
    """Load into ``network`` what the stages in ``runs`` trained, in their order; return the names of these stages.

    With ``before``, only the stages before that one are loaded.

    Raises:
        SetupError: a checkpoint is damaged, or of another network.
    """
    stages = list(TRAINED)[: list(TRAINED).index(before) if before else None]
    found = [stage for stage in stages if (runs / stage / "checkpoint.pt").exists()]
    known = network.state_dict()
    for stage in found:
        weights = load_trained_weights(runs / stage / "checkpoint.pt")
        if any(name not in known or known[name].shape != value.shape for name, value in weights.items()):
            raise SetupError(f"{runs / stage} was trained on another base or with another --lora: name another --runs")
        network.load_state_dict(weights, strict=False)
    return found


def export(profile: ModelProfile, runs: Path, out: Path, device: torch.device, *, lora_rank: int = 0) -> Path:
    """Write the newest weights of the stages in ``runs`` into the folder ``out`` and return the profile's file there.

    Low-rank changes are added to the base's weights, so that the receiver needs no further package.

    Raises:
        ConfigError: the name of ``out`` is none of a profile.
        SetupError: nothing was trained, or a file is missing or damaged.
        InputError: ``out`` cannot be made.
    """
    settings = profile.model_dump(mode="json", exclude_none=True) | {"name": out.name}
    validate(ModelProfile, settings)
    whole = prepare_profile(profile, "no", device)
    network = make_network(whole, "joint", (), device, lora_rank=lora_rank)
    stages = load_stages(network, runs)
    if not stages:
        raise SetupError(f"nothing was trained in {runs}: run 'train control' first")
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"cannot make the folder {out}: {error.strerror}; give another place") from error
    networks: Any = network.networks
    networks["controlnet"].save_pretrained(out / CONTROLNET)
    fed = network.profile.controlnet
    assert fed is not None
    changes: dict[str, Any] = {CONTROLNET: {"source": {"at": f"./{CONTROLNET}"}, "input": fed.input}}
    if "tokens" in stages or "joint" in stages:
        networks["adapter"].save_pretrained(out / ADAPTERS)
        changes[ADAPTERS] = {"at": f"./{ADAPTERS}"}
    elif fed.input == "tokens":
        changes[CONTROLNET]["input"] = "hci"
    if lora_rank:
        _save_base(profile, networks["denoiser"], out / BASE)
        changes[BASE] = {"at": f"./{BASE}"}
    values = settings | changes | {"task": f"{profile.name}, trained in {len(stages)} stages"}
    file = out / f"{out.name}.yaml"
    file.write_text(json.dumps(values, indent=2) + "\n")  # JSON is YAML
    return file


def _save_base(profile: ModelProfile, denoiser: Any, out: Path) -> None:
    (found,) = find_profile(profile, ("base",))
    denoiser.fuse_lora()
    denoiser.unload_lora()
    name = found.part.components[0].folder
    for component in found.part.components[1:]:
        shutil.copytree(found.folder / component.folder, out / component.folder, dirs_exist_ok=True)
    denoiser.save_pretrained(out / name, variant=found.part.source.variant or None)
