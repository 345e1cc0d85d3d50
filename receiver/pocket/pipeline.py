"""The steps of the pocket decoder: fallback synthesis, restorer, autoencoder and flow. See docs/decoder.md."""

from __future__ import annotations

import copy
from fractions import Fraction
from typing import TYPE_CHECKING

import torch
from torch.nn import functional

from receiver.pocket.conditioning import Conditioning, batch_latent, batch_maps, batch_masks, batch_text
from receiver.pocket.fallback import fallback_image, smooth
from receiver.pocket.flow import draw_noise, sample
from receiver.pocket.lanczos import resize
from receiver.pocket.networks import (
    AUTOENCODER_CHANNELS,
    LATENT_MULTIPLE,
    RESTORER_NOISE,
    control_image,
    from_latent,
    to_latent,
    velocity,
)
from receiver.pocket.restore import restorer_input
from receiver.pocket.sizes import LATENT_SCALE, RESTORER_SCALE, quarter_size
from receiver.pocket.tiles import Tiling, add_tiled
from shared.errors import ServiceError
from shared.latent.layout import LATENT_CHANNELS, LATENT_STRIDE, latent_size

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from threading import Event

    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

    from receiver.pocket.networks import PocketNetworks

MULTIPLE = LATENT_SCALE * LATENT_MULTIPLE
"""The sides of a picture are padded to multiples of this."""
CPU_SIDE, CUDA_SIDE = 1024, 2048
"""A picture of up to side × side pixels is decoded in one piece, a larger one in tiles; this bounds the memory."""
OVERLAP = 192
"""Overlap of tiles in pixels: the reach of the restorer, except for a few levels of difference (docs/decoder.md)."""


class PocketPipeline:
    """Runs the networks on ``device``. Several threads may call it at once.

    ``side`` bounds a tile and ``overlap`` is that of neighbouring tiles, both in pixels and multiples of 32.
    """

    def __init__(
        self, networks: PocketNetworks, device: torch.device, side: int | None = None, overlap: int = OVERLAP
    ) -> None:
        self.device = device
        self.side = side or (CUDA_SIDE if device.type == "cuda" else CPU_SIDE)
        self._networks = networks
        self.dtype = next(networks.restorer.parameters()).dtype
        self._picture_tiling = Tiling(self.side, overlap, MULTIPLE)
        self._quarter_tiling = Tiling(self.side // RESTORER_SCALE, overlap // RESTORER_SCALE)
        self._channel_tiling = Tiling(self.side // LATENT_STRIDE, overlap // LATENT_STRIDE)
        self._latent_tiling = Tiling(self.side // LATENT_SCALE, overlap // LATENT_SCALE)
        # The flow's networks have a wider reach and work at an eighth of the size: larger tiles, and more overlap.
        self._flow_tiling = Tiling(self.side // 2, 2 * overlap // LATENT_SCALE, LATENT_MULTIPLE)
        self._stop: Event | None = None

    def with_stop(self, stop: Event | None) -> PocketPipeline:
        """Return the same pipeline for one call, which raises a ``ServiceError`` once ``stop`` is set."""
        stoppable = copy.copy(self)
        stoppable._stop = stop  # noqa: SLF001 - of the same class
        return stoppable

    @torch.inference_mode()
    def decode_batch(
        self,
        hcis: Sequence[NDArray[np.uint8]] | None,
        seeds: Sequence[int],
        width: int,
        height: int,
        steps: int,
        conditioning: Sequence[Conditioning] | None = None,
    ) -> Tensor:
        """Return pictures ``[B, 3, height, width]``, float32, about 0 to 1, on the pipeline's device.

        ``hcis`` holds one HCI per seed, uint8 ``[h, w, 3]`` or ``[h, w]``. If it is None, a fallback image from
        ``conditioning`` replaces the HCI; without latent channels, that image is the result. ``conditioning`` holds the
        other streams of each picture, and either all pictures have latent channels or none. ``steps`` 0 skips the flow.

        Raises:
            ServiceError: the event of ``with_stop`` was set.
            FloatingPointError: the output of a network is not finite.
        """
        conditioning = conditioning or [Conditioning()] * len(seeds)
        if hcis is None:
            quarters = self.fallback_images(conditioning, width, height)
            if conditioning[0].latent is None:  # nothing finer than a layout is known
                return resize(quarters, width, height)
        else:
            quarters = torch.stack([restorer_input(hci, width, height) for hci in hcis]).to(self.device)
        columns, rows = quarter_size(width, height)
        right, bottom = -width % MULTIPLE, -height % MULTIPLE
        latent_shape = AUTOENCODER_CHANNELS, (height + bottom) // LATENT_SCALE, (width + right) // LATENT_SCALE
        # All noise is drawn for the whole picture, so that tiles agree, and on the CPU, so that devices agree.
        noise = [draw_noise(seed, (3, rows, columns), latent_shape) for seed in seeds]
        quarter_noise, latent_noise = (torch.stack(part).to(self.device) for part in zip(*noise, strict=True))
        restored = self.restore(quarters + RESTORER_NOISE * quarter_noise)[..., :height, :width].clamp(0, 1)
        if steps == 0:
            return restored
        restored = functional.pad(restored, (0, right, 0, bottom), mode="reflect")
        latent = self.encode(restored)
        end = self.sample_flow(latent + self._networks.sigma * latent_noise, latent, steps, conditioning)
        return self.add_change(restored, end, latent)[..., :height, :width]

    @torch.inference_mode()
    def fallback_images(self, conditioning: Sequence[Conditioning], width: int, height: int) -> Tensor:
        """Return images that replace lost HCIs, ``[B, 3, ceil(height / 4), ceil(width / 4)]``, 0 to 1."""
        rows, columns = latent_size(width, height)
        latent, received = (part.to(self.device) for part in batch_latent(conditioning, rows, columns))
        prompt = batch_text(conditioning).to(self.device, torch.float32)
        masks = batch_masks(conditioning).to(self.device)
        layout = self._networks.fallback.lay_out_prompt(prompt, masks, rows, columns).float()

        def draw_tile(tile: Tensor) -> Tensor:
            return fallback_image(
                self._networks.synthesis,
                self._networks.fallback,
                tile[:, :LATENT_CHANNELS],
                received,
                tile[:, LATENT_CHANNELS:],
            )

        finer = LATENT_STRIDE // RESTORER_SCALE
        blank = torch.zeros(len(conditioning), 3, finer * rows, finer * columns, device=self.device)
        images = self._run_tiled(
            blank, draw_tile, torch.cat([latent, layout], 1), self._channel_tiling, Fraction(finer)
        )
        across, down = quarter_size(width, height)
        return smooth(images)[..., :down, :across].clamp(0, 1)

    @torch.inference_mode()
    def restore(self, quarters: Tensor) -> Tensor:
        """Return ``[B, 3, 4h, 4w]``, not clamped, for ``quarters`` ``[B, 3, h, w]`` that include their noise."""
        batch, channels, height, width = quarters.shape
        blank = torch.zeros(batch, channels, RESTORER_SCALE * height, RESTORER_SCALE * width, device=self.device)
        return self._run_tiled(
            blank,
            lambda tile: self._networks.restorer(self._prepare(tile)),
            quarters,
            self._quarter_tiling,
            Fraction(RESTORER_SCALE),
        )

    @torch.inference_mode()
    def encode(self, picture: Tensor) -> Tensor:
        """Return the latent ``[B, 16, H / 8, W / 8]`` of ``picture`` ``[B, 3, H, W]`` with sides of multiples of 32."""
        batch, _, height, width = picture.shape
        blank = torch.zeros(
            batch, AUTOENCODER_CHANNELS, height // LATENT_SCALE, width // LATENT_SCALE, device=self.device
        )
        return self._run_tiled(
            blank,
            lambda tile: to_latent(self._networks.autoencoder, self._prepare(tile)),
            picture,
            self._picture_tiling,
            Fraction(1, LATENT_SCALE),
        )

    @torch.inference_mode()
    def sample_flow(
        self,
        source: Tensor,
        restored_latent: Tensor,
        steps: int,
        conditioning: Sequence[Conditioning] | None = None,
        callback: Callable[[int, Tensor], None] | None = None,
    ) -> Tensor:
        """Return the end of the flow ``[B, 16, h, w]`` from ``source``, given the restored latent and ``conditioning``.

        ``callback`` as in ``flow.sample``.
        """
        conditioning = conditioning or [Conditioning()] * len(source)
        channels, regions, given = (part.to(self.device) for part in batch_maps(conditioning, *source.shape[2:]))
        hci = torch.ones_like(given[:, :1])  # the HCI counts as there: it, or the fallback image in its place
        control = control_image(restored_latent, channels, regions, torch.cat([hci, given], 1))
        prompt = batch_text(conditioning).to(self.device, self.dtype)
        embedded = self._networks.prompt_embedding(prompt)

        def whole_velocity(latent: Tensor, time: Tensor) -> Tensor:
            def tile_velocity(tile: Tensor) -> Tensor:
                parts = self._prepare(tile)
                latent, control = parts[:, :AUTOENCODER_CHANNELS], parts[:, AUTOENCODER_CHANNELS:]
                return velocity(self._networks, latent, time, embedded, prompt.given, control)

            return self._run_tiled(
                torch.zeros_like(latent), tile_velocity, torch.cat([latent, control], 1), self._flow_tiling, Fraction(1)
            )

        return sample(whole_velocity, source, steps, callback)

    @torch.inference_mode()
    def add_change(self, picture: Tensor, latent: Tensor, restored_latent: Tensor) -> Tensor:
        """Add to ``picture`` ``[B, 3, H, W]`` in place what the flow changed, and return it.

        The change is the decoded ``latent`` minus the decoded ``restored_latent``. Both lack what the autoencoder
        loses, so the restored picture keeps it.
        """
        autoencoder = self._networks.autoencoder

        def decode_change(tile: Tensor) -> Tensor:
            latents = torch.cat(torch.split(self._prepare(tile), AUTOENCODER_CHANNELS, dim=1))
            both = from_latent(autoencoder, latents).float()
            return both[: len(tile)] - both[len(tile) :]

        latents = torch.cat([latent, restored_latent], 1)
        return self._run_tiled(picture, decode_change, latents, self._latent_tiling, Fraction(LATENT_SCALE))

    def _run_tiled(
        self, result: Tensor, function: Callable[[Tensor], Tensor], inputs: Tensor, tiling: Tiling, scale: Fraction
    ) -> Tensor:
        """Run ``add_tiled`` until the stop event is set; check that values are finite, which clamping would hide."""

        def run_checked(tile: Tensor) -> Tensor:
            if self._stop is not None and self._stop.is_set():
                raise ServiceError("the decoding was stopped: its call has ended")
            output = function(tile)
            if not bool(output.isfinite().all()):
                raise FloatingPointError("a network's output is not finite")
            return output

        return add_tiled(result, run_checked, inputs, tiling, scale)

    def _prepare(self, values: Tensor) -> Tensor:
        """Return ``values`` in the number type and memory layout of the networks."""
        return values.to(self.dtype).contiguous(memory_format=torch.channels_last)
