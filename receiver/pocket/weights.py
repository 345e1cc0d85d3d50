"""Loads and saves the networks: ``config.json``, and a folder per network in the layout of diffusers."""

from __future__ import annotations

import hashlib
import inspect
import json
from typing import TYPE_CHECKING, Any

import safetensors.torch
import torch
from safetensors import SafetensorError

from receiver.pocket.config import CONFIG_NAME, PocketConfig, read_config, weights_hint
from receiver.pocket.devices import compute_dtype
from receiver.pocket.fallback import FallbackSynthesis
from receiver.pocket.networks import PocketNetworks
from receiver.pocket.prompt import PromptEmbedding
from receiver.pocket.refiner import Refiner
from receiver.pocket.rrdbnet import RRDBNet
from receiver.pocket.synthesis import load_synthesis
from shared.errors import SetupError
from shared.text import TEXT_WIDTH
from shared.weights import are_finite

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor

WEIGHTS_NAME = "diffusion_pytorch_model.safetensors"
LFS_POINTER = b"version https://git-lfs"
NETWORKS = {"restorer": RRDBNet, "refiner": Refiner, "words": PromptEmbedding, "sketch": FallbackSynthesis}
"""The networks by the name of their folder."""
FIELDS = {"words": "prompt_embedding", "sketch": "fallback"}
"""Fields of ``PocketNetworks`` that have another name than their folder."""


def load_networks(folder: Path, device: torch.device, dtype: torch.dtype | None = None) -> PocketNetworks:
    """Return the networks in ``folder`` on ``device``, frozen, in ``dtype``; None selects it by the device.

    Raises:
        SetupError: a file is missing, damaged, or holds another network than this version expects.
    """
    config = read_config(folder)
    if config.text_width != TEXT_WIDTH:
        raise SetupError(
            f"{folder / CONFIG_NAME} has text_width {config.text_width}; this version needs {TEXT_WIDTH}; "
            f"{weights_hint()}"
        )
    dtype = dtype or compute_dtype(device)
    loaded = {
        FIELDS.get(name, name): _load_network(folder / name, config.sha256.get(name), device, dtype)
        for name in NETWORKS
    }
    loaded["fallback"].float()  # small, and rounding would change its colours
    return PocketNetworks(**loaded, synthesis=load_synthesis().to(device))


def save_networks(networks: PocketNetworks, folder: Path, *, steps: int = 1, fidelity: float = 1.0) -> None:
    """Write ``networks`` into ``folder`` as float16, with the decoder's default ``steps`` and ``fidelity``."""
    folder.mkdir(parents=True, exist_ok=True)
    hashes = {}
    for name in NETWORKS:
        network = getattr(networks, FIELDS.get(name, name))
        network.save_config(folder / name)
        tensors = {key: value.detach().half().contiguous().cpu() for key, value in network.state_dict().items()}
        data = safetensors.torch.save(tensors, metadata={"format": "pt"})
        (folder / name / WEIGHTS_NAME).write_bytes(data)
        hashes[name] = hashlib.sha256(data).hexdigest()
    config = PocketConfig(steps=steps, fidelity=fidelity, text_width=TEXT_WIDTH, sha256=hashes)
    (folder / CONFIG_NAME).write_text(config.model_dump_json(indent=2) + "\n")


def _load_network(folder: Path, sha256: str | None, device: torch.device, dtype: torch.dtype) -> Any:
    """Return the network in ``folder``, frozen. ``sha256`` is the hash of its weights file, None if it is not known."""
    network = _build_network(folder)
    path = folder / WEIGHTS_NAME
    data = _read_weights(path)
    tensors = _parse_tensors(path, data)
    _check_shapes(path, {key: value.shape for key, value in network.state_dict().items()}, tensors)
    if sha256 is not None and hashlib.sha256(data).hexdigest() != sha256:
        raise SetupError(f"{path} is damaged, its SHA-256 is not the one in {CONFIG_NAME}; {weights_hint()}")
    network.load_state_dict({key: value.to(device, dtype) for key, value in tensors.items()}, assign=True)
    return network.to(memory_format=torch.channels_last).requires_grad_(requires_grad=False).eval()


def _build_network(folder: Path) -> Any:
    """Return the network of ``config.json`` in ``folder``, without storage for its weights."""
    path, make = folder / CONFIG_NAME, NETWORKS[folder.name]
    try:
        settings = dict(json.loads(path.read_bytes()))
        arguments = {key: settings[key] for key in inspect.signature(make).parameters if key in settings}
        # On "meta" no weights are drawn: torch's default generator does not change, and no time is lost.
        with torch.device("meta"):
            return make(**arguments)
    except OSError as error:
        raise SetupError(f"no weights of the pocket decoder: {path} cannot be read; {weights_hint()}") from error
    except Exception as error:  # settings are not checked: a wrong one may raise any type of error
        raise SetupError(f"{path} is damaged or describes another network; {weights_hint()}") from error


def _read_weights(path: Path) -> bytes:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise SetupError(f"no weights of the pocket decoder: {path} cannot be read; {weights_hint()}") from error
    if data.startswith(LFS_POINTER):
        raise SetupError(f"{path} is a git-lfs pointer, not the weights: run 'git lfs pull'")
    return data


def _parse_tensors(path: Path, data: bytes) -> dict[str, Tensor]:
    try:
        return safetensors.torch.load(data)
    except (SafetensorError, ValueError, KeyError) as error:
        raise SetupError(f"{path} is damaged, it is not a complete safetensors file; {weights_hint()}") from error


def _check_shapes(path: Path, expected: dict[str, torch.Size], tensors: dict[str, Tensor]) -> None:
    """Check that ``tensors`` are finite and have the names and shapes of the configured network."""
    for key in sorted(expected.keys() | tensors.keys()):
        if key not in tensors or key not in expected:
            fault = f"lacks {key}" if key in expected else f"holds {key}, which is not in its network"
        elif tensors[key].shape != expected[key]:
            fault = f"holds {key} of {list(tensors[key].shape)} instead of {list(expected[key])}"
        elif not (tensors[key].is_floating_point() and are_finite([tensors[key]])):
            fault = f"holds {key} with values that are not finite"
        else:
            continue
        raise SetupError(f"{path} {fault}; {weights_hint()}")
