"""Loads the networks of a model profile and puts them where its memory strategy says."""

from __future__ import annotations

from typing import TYPE_CHECKING

from receiver.hub.flux import load_flux
from receiver.hub.stable_diffusion import load_stable_diffusion
from receiver.hub.trial import try_networks
from shared.errors import SetupError
from shared.hub.libraries import diffusers
from shared.hub.memory import check_memory, choose_dtype, place, save_memory

if TYPE_CHECKING:
    from collections.abc import Sequence

    import torch

    from receiver.hub.model import LatentModel
    from shared.hub.files import FoundPart
    from shared.hub.profile import ModelProfile


def load_model(profile: ModelProfile, found: Sequence[FoundPart], device: torch.device) -> LatentModel:
    """Return the networks of ``profile``, whose files are ``found``, ready to run on ``device``.

    Raises:
        SetupError: weights are damaged or of another network, networks do not fit together, or a package is missing.
        LimitError: the memory of the device is too small.
    """
    if diffusers is None:
        raise SetupError(f"model profile {profile.name} needs the package diffusers to decode: pip install diffusers")
    check_memory(profile, found, device)
    dtype = choose_dtype(profile, device)
    parts = {one.part.role: one for one in found}
    load = load_flux if profile.family == "flux" else load_stable_diffusion
    model = load(profile, parts, device, dtype)
    save_memory(profile, model.denoiser, model.autoencoder)
    # Offload acts on whole calls of a network. An adapter has two, one for words and one for a map, and is small.
    place(profile, [one for one in model.networks if one is not model.adapter], device)
    if model.adapter is not None:
        model.adapter.to(device)
    try_networks(model, profile, device)
    return model
