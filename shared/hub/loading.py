"""Loads a network of a model profile from its files, and explains what is wrong with them. Imports both libraries."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import torch

from shared.errors import LinkError, SetupError
from shared.hub.files import replace_hint
from shared.hub.libraries import quiet, transformers
from shared.hub.memory import quantisation_config
from shared.out_of_memory import report_out_of_memory

if TYPE_CHECKING:
    from shared.hub.files import FoundPart
    from shared.hub.profile import ModelProfile

WITHOUT_DECODER: Final = "or use --decoder pocket"
WHOLE: Final = ("AutoencoderKL", "TokenAdapter")
"""Networks that are never quantised: they are small, and the autoencoder may have to compute as float32."""


def load_network(
    kind: Any,
    found: FoundPart,
    folder: str,
    profile: ModelProfile,
    device: torch.device,
    dtype: torch.dtype,
    without: str = WITHOUT_DECODER,
) -> Any:
    """Return the network of class ``kind`` in ``folder`` of ``found``, frozen, in main memory unless it is quantised.

    ``without`` ends the message where memory is short: how to do without the network.

    Raises:
        SetupError: the weights do not fit the class, or are not finite; or quantisation is not possible.
        LimitError: there is too little memory.
    """
    path = found.folder / folder
    library = "transformers" if issubclass(kind, transformers.PreTrainedModel) else "diffusers"
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
    what = f"{found.part.role} of model profile {profile.name}"
    try:
        # Networks draw weights before theirs are read: torch's generator must not change.
        with report_out_of_memory(what, str(device), without), quiet(), torch.random.fork_rng(devices=[]):
            network, info = kind.from_pretrained(path, **settings)
        missing = sorted(info["missing_keys"]) + [str(one) for one in info.get("mismatched_keys") or []]
    except LinkError:
        raise
    except Exception as error:  # the libraries raise errors of any type for weights of another network
        raise SetupError(
            f"{path} does not load as {kind.__name__} ({first_line(error)}); {replace_hint(profile, found.part.source)}"
        ) from error
    if missing:  # the libraries would go on with random numbers in their place
        raise SetupError(f"{path} lacks {missing[0]} of {kind.__name__}; {replace_hint(profile, found.part.source)}")
    return network.requires_grad_(requires_grad=False).eval()


def first_line(error: Exception) -> str:
    """Return the first line of an error's message, or the error's class if it has none."""
    return next(iter(str(error).strip().splitlines()), type(error).__name__)[:160]
