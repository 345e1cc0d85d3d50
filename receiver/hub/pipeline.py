"""From a start picture to the generated one: autoencoder, noise, steps of the base, autoencoder; in tiles if large."""

from __future__ import annotations

import copy
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import torch
from torch.nn import functional

from receiver.hub.model import LATENT_SCALE
from receiver.hub.schedules import make_schedule
from receiver.pocket.noise import draw_noise
from receiver.pocket.tiles import Tiling, add_tiled
from shared.errors import ConfigError, ServiceError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from threading import Event

    from torch import Tensor

    from receiver.hub.conditions import Conditions
    from receiver.hub.model import LatentModel, Prompt
    from shared.hub.profile import ModelProfile


class HubPipeline:
    """Runs ``model`` as ``profile`` says, on ``device``. Several threads may call it at once.

    Raises:
        ConfigError: the profile's tiles are too small for the base.
    """

    def __init__(self, model: LatentModel, profile: ModelProfile, device: torch.device) -> None:
        self.device = device
        self.side = profile.memory.tile_px
        self.model, self._profile = model, profile
        side, multiple = self.side // LATENT_SCALE, model.multiple
        overlap = side // 4 // multiple * multiple
        if overlap == 0 or side % multiple:
            raise ConfigError(
                f"model profile {profile.name}: memory.tile_px = {self.side}: give a multiple of {8 * multiple} and at "
                f"least {32 * multiple}"
            )
        self._latent_tiling = Tiling(side, overlap, multiple)
        self._picture_tiling = Tiling(LATENT_SCALE * side, LATENT_SCALE * overlap, LATENT_SCALE)
        self._stop: Event | None = None

    def with_stop(self, stop: Event | None) -> HubPipeline:
        """Return the same pipeline for one call, which raises a ``ServiceError`` once ``stop`` is set."""
        stoppable = copy.copy(self)
        stoppable._stop = stop  # noqa: SLF001 - of the same class
        return stoppable

    @torch.inference_mode()
    def generate(self, starts: Tensor, batch: Sequence[Conditions], seeds: Sequence[int], steps: int) -> Tensor:
        """Return pictures ``[B, 3, H, W]``, float32, 0 to 1, on the pipeline's device.

        ``starts`` ``[B, 3, H, W]``, 0 to 1, are the decoded pictures where the sampling starts. All of ``batch`` have
        one ``shape``. ``steps`` is at least 1.

        Raises:
            ServiceError: the event of ``with_stop`` was set.
            FloatingPointError: the output of a network is not finite.
        """
        height, width = starts.shape[2:]
        starts = _pad(starts.to(self.device, torch.float32), LATENT_SCALE * self.model.multiple)
        latent = self._encode(starts)
        first = batch[0]
        strength = first.strength if first.pseudo_time is None else first.pseudo_time
        schedule = make_schedule(
            self._profile, self.model.scheduler, 1 if first.pseudo_time is not None else steps, strength
        )
        if first.pseudo_time is None:
            # Noise is drawn for the whole picture, so that tiles agree, and on the CPU, so that devices agree.
            noise = torch.stack([draw_noise(seed, latent.shape[1:])[0] for seed in seeds]).to(self.device)
            sample = schedule.start(latent, noise)
        else:
            sample = schedule.start_without_noise(latent)
        control = self.model.make_control(starts, latent, batch)
        prompts = self._embed(batch)
        masks = _region_masks(batch, *latent.shape[2:]).to(self.device)
        for step, time in enumerate(schedule.times):
            last = step > 0 and step == len(schedule.times) - 1
            scaled = schedule.network_input(sample, step)
            output = self._predict(scaled, time, prompts[: None if not last else 1 + self._is_guided], masks, control)
            sample = schedule.advance(output, step, sample)
        return self._decode(sample)[..., :height, :width].clamp(0, 1)

    @property
    def _is_guided(self) -> bool:
        """Whether there is classifier-free guidance: a second prompt, away from which the first one leads."""
        return self._profile.guidance_scale > 1 and not self.model.guided

    def _embed(self, batch: Sequence[Conditions]) -> list[Prompt]:
        """Return the prompts: the whole picture's, the negative one if there is guidance, and one per region."""
        texts = [[one.text for one in batch]]
        if self._is_guided:
            texts.append([self._profile.negative_prompt] * len(batch))
        texts += [[one.regions[place][0] for one in batch] for place in range(len(batch[0].regions))]
        found = []
        for one in texts:
            self._check_stop()
            found.append(self.model.embed(one, batch))
        return found

    def _predict(
        self, scaled: Tensor, time: float, prompts: Sequence[Prompt], masks: Tensor, control: Tensor | None
    ) -> Tensor:
        """Return the output for the whole latent, tile by tile; with regions, each inside its mask.

        The outputs of the regions are laid over that of the whole picture (MultiDiffusion, Bar-Tal et al. 2023). The
        last of several steps has no prompts of regions: MISC too shows the objects first and then the whole.
        """
        channels, regions = scaled.shape[1], len(prompts) - 1 - self._is_guided
        inputs = [scaled, masks[:, :regions], *([] if control is None else [control])]

        def predict_tile(tile: Tensor) -> Tensor:
            latent, inside = tile[:, :channels], tile[:, channels : channels + regions]
            fed = tile[:, channels + regions :] if control is not None else None
            outputs = [self._run(self.model.predict, latent, time, one, fed) for one in prompts]
            whole, away, own = outputs[0], outputs[1] if self._is_guided else None, outputs[1 + self._is_guided :]
            if own:
                total = inside.sum(1, keepdim=True).clamp_min(1)
                shares = inside / total
                whole = whole * (1 - shares.sum(1, keepdim=True)) + sum(
                    shares[:, place, None] * output for place, output in enumerate(own)
                )
            return whole if away is None else away + self._profile.guidance_scale * (whole - away)

        return add_tiled(torch.zeros_like(scaled), predict_tile, torch.cat(inputs, 1), self._latent_tiling, Fraction(1))

    def _encode(self, pictures: Tensor) -> Tensor:
        """Return the latent ``[B, C, H / 8, W / 8]`` of ``pictures`` ``[B, 3, H, W]``: the mean, without its noise."""
        autoencoder = self.model.autoencoder
        shift, scale = _normalisation(autoencoder)

        def encode_tile(tile: Tensor) -> Tensor:
            mean = self._run(
                lambda values: autoencoder.encode(values.to(autoencoder.dtype)).latent_dist.mode(), 2 * tile - 1
            )
            return (mean - shift) * scale

        size = [side // LATENT_SCALE for side in pictures.shape[2:]]
        blank = torch.zeros(len(pictures), autoencoder.config.latent_channels, *size, device=self.device)
        return add_tiled(blank, encode_tile, pictures, self._picture_tiling, Fraction(1, LATENT_SCALE))

    def _decode(self, latent: Tensor) -> Tensor:
        """Return pictures ``[B, 3, H, W]``, about 0 to 1, of ``latent``, the inverse of ``_encode``."""
        autoencoder = self.model.autoencoder
        shift, scale = _normalisation(autoencoder)

        def decode_tile(tile: Tensor) -> Tensor:
            values = self._run(
                lambda values: autoencoder.decode(values.to(autoencoder.dtype)).sample, tile / scale + shift
            )
            return values / 2 + 0.5

        size = [side * LATENT_SCALE for side in latent.shape[2:]]
        blank = torch.zeros(len(latent), 3, *size, device=self.device)
        return add_tiled(blank, decode_tile, latent, self._latent_tiling, Fraction(LATENT_SCALE))

    def _run(self, network: Callable[..., Tensor], *inputs: Any) -> Tensor:
        """Run one network on one tile unless the call has ended; check that its output is finite."""
        self._check_stop()
        output = network(*inputs)
        if not bool(output.isfinite().all()):
            raise FloatingPointError("a network's output is not finite")
        return output.float()

    def _check_stop(self) -> None:
        if self._stop is not None and self._stop.is_set():
            raise ServiceError("the decoding was stopped: its call has ended")


def _normalisation(autoencoder: Any) -> tuple[float, float]:
    """Return shift and scale that bring the latent to a mean of 0 and a deviation of 1."""
    config = autoencoder.config
    return config.shift_factor or 0.0, config.scaling_factor


def _pad(pictures: Tensor, multiple: int) -> Tensor:
    """Return ``pictures`` with sides of a multiple of ``multiple``, mirrored at the border, or repeated if small."""
    height, width = pictures.shape[2:]
    right, bottom = -width % multiple, -height % multiple
    mode = "reflect" if right < width and bottom < height else "replicate"
    return functional.pad(pictures, (0, right, 0, bottom), mode=mode)


def _region_masks(batch: Sequence[Conditions], height: int, width: int) -> Tensor:
    """Return the masks of the regions at the latent's size, ``[B, R, height, width]``."""
    if not batch[0].regions:
        return torch.zeros(len(batch), 0, height, width)
    masks = torch.stack([torch.stack([torch.from_numpy(mask) for _, mask in one.regions]) for one in batch])
    return functional.interpolate(masks.float(), (height, width), mode="nearest")
