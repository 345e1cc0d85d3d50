"""The noise levels of a sampling, and the steps between them, by the schedulers of diffusers.

A diffusion model has times 0 to 999, where the sample at time t is the latent plus noise of deviation sigma (Karras et
al. 2022, in whose scaling ``EulerDiscreteScheduler`` computes). A flow model has times 0 to 1, where the sample is
(1 - t) latent + t noise (Liu et al. 2023).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Protocol

from shared.errors import SetupError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

    from shared.hub.profile import ModelProfile


class Schedule(Protocol):
    """One sampling. ``times`` are the network's input beside the sample, one per step, from the noisiest on."""

    times: list[float]

    def start(self, latent: Tensor, noise: Tensor) -> Tensor:
        """Return the sample of ``latent`` at the first time, with ``noise``."""
        ...

    def start_without_noise(self, latent: Tensor) -> Tensor:
        """Return the sample for which the network's input is ``latent`` itself at the first time."""
        ...

    def network_input(self, sample: Tensor, step: int) -> Tensor:
        """Return the network's input for ``sample``."""
        ...

    def advance(self, output: Tensor, step: int, sample: Tensor) -> Tensor:
        """Return the sample at the next time, from the network's ``output``; after the last step, the latent."""
        ...


class DiffusionSchedule:
    """``steps`` Euler steps of a diffusion model, from the share ``strength`` of its times to 0."""

    def __init__(self, settings: Mapping[str, Any], steps: int, strength: float) -> None:
        from shared.hub.libraries import diffusers  # noqa: PLC0415 - seconds to import

        self._scheduler = diffusers.EulerDiscreteScheduler.from_config(
            dict(settings) | {"use_karras_sigmas": False, "interpolation_type": "linear", "final_sigmas_type": "zero"}
        )
        last = self._scheduler.config.num_train_timesteps
        # As trailing spacing of diffusers, which ends at the last time and which distilled models are trained for.
        times = [max(round(strength * last * (1 - step / steps)) - 1, 0) for step in range(steps)]
        self.times = list(dict.fromkeys(times))  # a small strength has fewer times than steps
        self._scheduler.set_timesteps(timesteps=self.times)
        self._sigmas = self._scheduler.sigmas.tolist()

    def start(self, latent: Tensor, noise: Tensor) -> Tensor:
        """Return ``latent`` with noise of the first deviation."""
        return latent + float(self._sigmas[0]) * noise

    def start_without_noise(self, latent: Tensor) -> Tensor:
        """Return ``latent``, scaled as a sample at the first time is."""
        return latent * float(math.sqrt(self._sigmas[0] ** 2 + 1))

    def network_input(self, sample: Tensor, step: int) -> Tensor:
        """Return ``sample`` with a variance of about 1."""
        scaled: Tensor = self._scheduler.scale_model_input(sample, self._scheduler.timesteps[step])
        return scaled

    def advance(self, output: Tensor, step: int, sample: Tensor) -> Tensor:
        """Return the sample after one step of the scheduler."""
        following: Tensor = self._scheduler.step(output, self._scheduler.timesteps[step], sample).prev_sample
        return following


class FlowSchedule:
    """``steps`` Euler steps of a flow model, from the time ``strength`` to 0."""

    def __init__(self, settings: Mapping[str, Any], steps: int, strength: float) -> None:
        from shared.hub.libraries import diffusers  # noqa: PLC0415 - seconds to import

        self._scheduler = diffusers.FlowMatchEulerDiscreteScheduler.from_config(
            dict(settings) | {"use_dynamic_shifting": False}
        )
        self._scheduler.set_timesteps(sigmas=[strength * (1 - step / steps) for step in range(steps)])
        self.times: list[float] = self._scheduler.sigmas[:-1].tolist()

    def start(self, latent: Tensor, noise: Tensor) -> Tensor:
        """Return the point at the first time on the line from ``latent`` to ``noise``."""
        return (1 - self.times[0]) * latent + self.times[0] * noise

    def start_without_noise(self, latent: Tensor) -> Tensor:
        """Return ``latent``."""
        return latent

    def network_input(self, sample: Tensor, step: int) -> Tensor:
        """Return ``sample``."""
        del step
        return sample

    def advance(self, output: Tensor, step: int, sample: Tensor) -> Tensor:
        """Return the sample after one step of the scheduler."""
        following: Tensor = self._scheduler.step(output, self._scheduler.timesteps[step], sample).prev_sample
        return following


def make_schedule(profile: ModelProfile, settings: Mapping[str, Any], steps: int, strength: float) -> Schedule:
    """Return the schedule of ``profile`` with the base's scheduler ``settings``.

    Raises:
        SetupError: the settings do not fit the scheduler.
    """
    is_flow = profile.scheduler == "FlowMatchEulerDiscreteScheduler"
    named = str(settings.get("_class_name"))
    if named.startswith("FlowMatch") != is_flow:  # settings that are missing have defaults: they would load
        raise SetupError(
            f"model profile {profile.name}: the base's scheduler is {named}, which {profile.scheduler} cannot stand in "
            "for; change base or scheduler"
        )
    try:
        return (FlowSchedule if is_flow else DiffusionSchedule)(settings, steps, strength)
    except (ValueError, TypeError, KeyError, IndexError, RuntimeError) as error:
        reason = next(iter(str(error).splitlines()), type(error).__name__)
        raise SetupError(
            f"model profile {profile.name}: the base's scheduler settings do not fit {profile.scheduler} ({reason}); "
            "change base or scheduler"
        ) from error
