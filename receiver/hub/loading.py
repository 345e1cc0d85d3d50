"""Loads networks and tokenizers of a model profile from their files, and explains what is wrong with them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import torch

from shared.errors import SetupError
from shared.hub.files import replace_hint
from shared.hub.libraries import quiet
from shared.hub.memory import quantisation_config

if TYPE_CHECKING:
    from collections.abc import Mapping

    from shared.hub.files import FoundPart
    from shared.hub.profile import ModelProfile


WHOLE: Final = ("AutoencoderKL", "TokenAdapter")
"""Networks that are never quantised: they are small, and the autoencoder may have to compute as float32."""


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
    if quantisation is not None and kind.__name__ not in WHOLE:
        settings["quantization_config"] = quantisation
    try:
        # Networks draw weights before theirs are read: torch's generator must not change.
        with quiet(), torch.random.fork_rng(devices=[]):
            network, info = kind.from_pretrained(path, **settings)
        missing = sorted(info["missing_keys"]) + [str(one) for one in info.get("mismatched_keys") or []]
    except Exception as error:  # the libraries raise errors of any type for weights of another network
        raise SetupError(
            f"{path} does not load as {kind.__name__} ({first_line(error)}); {replace_hint(profile, found.part.source)}"
        ) from error
    if missing:
        raise SetupError(f"{path} lacks {missing[0]} of {kind.__name__}; {replace_hint(profile, found.part.source)}")
    return network.requires_grad_(requires_grad=False).eval()


def load_guides(
    kind: Any, parts: Mapping[str, FoundPart], profile: ModelProfile, device: torch.device, dtype: torch.dtype
) -> dict[str, Any]:
    """Return ``controlnet`` of class ``kind`` and ``adapter``, those that ``parts`` has the files of, by name.

    Raises:
        SetupError: as ``load_network``.
    """
    guides = {}
    if "controlnet" in parts:
        guides["controlnet"] = load_network(kind, parts["controlnet"], "", profile, device, dtype)
    if "adapters" in parts:
        from receiver.hub.adapters import TokenAdapter  # noqa: PLC0415 - only where a profile has them

        guides["adapter"] = load_network(TokenAdapter, parts["adapters"], "", profile, device, dtype)
    return guides


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
        raise SetupError(
            f"{path} is no tokenizer ({first_line(error)}); {replace_hint(profile, found.part.source)}"
        ) from error


def first_line(error: Exception) -> str:
    """Return the first line of an error's message, or the error's class if it has none."""
    return next(iter(str(error).strip().splitlines()), type(error).__name__)[:160]
