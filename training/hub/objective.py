"""What a base is trained to predict at one time: its own objective, by the settings of its scheduler."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from shared.errors import SetupError
from shared.hub.libraries import diffusers

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

    from shared.hub.profile import ModelProfile


class Objective:
    """Noise or velocity of a diffusion model (Ho et al. 2020, Salimans and Ho 2022), or that of a rectified flow.

    Raises:
        SetupError: the scheduler's settings name another objective.
    """

    def __init__(self, profile: ModelProfile, settings: Mapping[str, Any]) -> None:
        self._scheduler = None
        if profile.scheduler == "FlowMatchEulerDiscreteScheduler":
            return
        self._scheduler = diffusers.DDPMScheduler.from_config(dict(settings))
        self._kind = self._scheduler.config.prediction_type
        if self._kind not in ("epsilon", "v_prediction"):
            raise SetupError(
                f"model profile {profile.name}: the base predicts '{self._kind}'; the recipes train bases that predict "
                "epsilon or v_prediction"
            )

    def mix(self, latent: Tensor, noise: Tensor, share: float) -> tuple[Tensor, float, Tensor]:
        """Return the network's input at the ``share`` of its times, 0 to 1, the time as it takes it, and the target.

        ``latent`` and ``noise`` are ``[B, C, h, w]``.
        """
        if self._scheduler is None:
            return (1 - share) * latent + share * noise, share, noise - latent
        last = self._scheduler.config.num_train_timesteps
        time = min(max(round(share * last) - 1, 0), last - 1)
        times = torch.full((len(latent),), time, device=latent.device)
        mixed = self._scheduler.add_noise(latent, noise, times)
        target = noise if self._kind == "epsilon" else self._scheduler.get_velocity(latent, noise, times)
        return mixed, float(time), target


@torch.no_grad()
def to_latent(autoencoder: Any, pictures: Tensor) -> Tensor:
    """Return the latent ``[B, C, H / 8, W / 8]`` of ``pictures`` ``[B, 3, H, W]``, 0 to 1, with unit variance."""
    config = autoencoder.config
    mean = autoencoder.encode((2 * pictures - 1).to(autoencoder.dtype)).latent_dist.mode().float()
    latent: Tensor = (mean - (config.shift_factor or 0.0)) * config.scaling_factor
    return latent
