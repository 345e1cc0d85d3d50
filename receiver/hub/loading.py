"""Loads networks and tokenizers of a model profile from their files, and says what is wrong with them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from shared.errors import SetupError
from shared.hub.files import pull_command
from shared.hub.libraries import quiet
from shared.hub.memory import quantisation_config

if TYPE_CHECKING:
    from shared.hub.files import FoundPart
    from shared.hub.profile import ModelProfile


def load_network(
    kind: Any, found: FoundPart, folder: str, profile: ModelProfile, device: torch.device, dtype: torch.dtype
) -> Any:
    """Return the network of class ``kind`` in ``folder`` of ``found``, frozen, in main memory unless it is quantised.

    Raises:
        SetupError: the weights do not fit the class, or are not finite; or quantisation is not possible.
    """
    path = found.folder / folder
    library = "diffusers" if kind.__module__.startswith(("diffusers", "receiver")) else "transformers"
    settings: dict[str, Any] = {
        "torch_dtype" if library == "diffusers" else "dtype": dtype,
        "use_safetensors": True,
        "local_files_only": True,
        "output_loading_info": True,
        "variant": found.part.source.variant or None,
    }
    quantisation = quantisation_config(profile, device, library)
    if quantisation is not None:
        settings["quantization_config"] = quantisation
    try:
        # Networks draw weights before theirs are read: torch's generator must not change.
        with quiet(), torch.random.fork_rng(devices=[]):
            network, said = kind.from_pretrained(path, **settings)
        missing = sorted(said["missing_keys"]) + [str(one) for one in said.get("mismatched_keys") or []]
    except Exception as error:  # the libraries raise errors of any type for weights of another network
        raise SetupError(
            f"{path} does not load as {kind.__name__} ({_first_line(error)}); {_remedy(profile, found)}"
        ) from error
    if missing:
        raise SetupError(f"{path} lacks {missing[0]} of {kind.__name__}; {_remedy(profile, found)}")
    return network.requires_grad_(requires_grad=False).eval()


def load_tokenizer(kind: Any, found: FoundPart, folder: str, profile: ModelProfile) -> Any:
    """Return the tokenizer in ``folder`` of ``found``.

    Raises:
        SetupError: its files are missing or damaged.
    """
    path = found.folder / folder
    try:
        with quiet():
            return kind.from_pretrained(path, local_files_only=True)
    except Exception as error:  # tokenizers raises bare exceptions
        raise SetupError(f"{path} is no tokenizer ({_first_line(error)}); {_remedy(profile, found)}") from error


def _remedy(profile: ModelProfile, found: FoundPart) -> str:
    if found.part.source.is_local:
        return f"put another model there, or change the profile {profile.name}"
    return f"delete {found.folder} and run '{pull_command(profile)}'"


def _first_line(error: Exception) -> str:
    return next(iter(str(error).strip().splitlines()), type(error).__name__)[:160]
