"""From what came to full pictures: sketch, restorer, autoencoder and flow in turn. See docs/decoder.md."""

from __future__ import annotations

import copy
from fractions import Fraction
from typing import TYPE_CHECKING

import torch
from torch.nn import functional

from receiver.pocket.flow import noises, sample
from receiver.pocket.hints import Hints, maps_from, masks_from, planes_from, prompt_from
from receiver.pocket.lanczos import resized
from receiver.pocket.networks import (
    AUTOENCODER_CHANNELS,
    LATENT_MULTIPLE,
    RESTORER_NOISE,
    control_image,
    decoded,
    encoded,
    velocity,
)
from receiver.pocket.restore import restorer_input
from receiver.pocket.sizes import LATENT_SCALE, RESTORER_SCALE, quarter_size
from receiver.pocket.sketch import sketched, smoothed
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
"""Sides of a picture are padded to multiples of this."""
CPU_SIDE, CUDA_SIDE = 1024, 2048
"""Pictures of up to side × side pixels run whole, larger ones in tiles of that; it bounds the memory."""
OVERLAP = 192
"""Of tiles, in pixels: as far as the restorer looks, but for a few levels of difference (docs/decoder.md)."""


class Pipeline:
    """The networks at work on ``device``; several threads may call it at once.

    ``side`` bounds a tile and ``overlap`` is that of neighbours, in pixels, multiples of 32.
    """

    def __init__(
        self, networks: PocketNetworks, device: torch.device, side: int | None = None, overlap: int = OVERLAP
    ) -> None:
        self.device = device
        self.side = side or (CUDA_SIDE if device.type == "cuda" else CPU_SIDE)
        self._networks = networks
        self.dtype = next(networks.unet.parameters()).dtype
        self._of_pictures = Tiling(self.side, overlap, MULTIPLE)
        self._of_quarters = Tiling(self.side // RESTORER_SCALE, overlap // RESTORER_SCALE)
        self._of_planes = Tiling(self.side // LATENT_STRIDE, overlap // LATENT_STRIDE)
        self._of_latents = Tiling(self.side // LATENT_SCALE, overlap // LATENT_SCALE)
        # The flow's networks look further and work at an eighth of the size: larger tiles, and more overlap.
        self._of_flow = Tiling(self.side // 2, 2 * overlap // LATENT_SCALE, LATENT_MULTIPLE)
        self._stop: Event | None = None

    def ending_at(self, stop: Event | None) -> Pipeline:
        """Return the same pipeline for one call, which ends with a ``ServiceError`` once ``stop`` is set."""
        ending = copy.copy(self)
        ending._stop = stop  # noqa: SLF001 - of the same class
        return ending

    @torch.inference_mode()
    def pictures(
        self,
        hcis: Sequence[NDArray[np.uint8]] | None,
        seeds: Sequence[int],
        width: int,
        height: int,
        steps: int,
        hints: Sequence[Hints] | None = None,
    ) -> Tensor:
        """Return pictures ``[B, 3, height, width]``, float32, about 0 to 1, on the pipeline's device.

        ``hcis`` holds one per seed, uint8 ``[h, w, 3]`` or ``[h, w]``; where it is None, the sketch that ``hints``
        allow stands in for it, and without planes is the picture. ``hints`` holds what else came of each picture, of
        all of them planes or of none. ``steps`` 0 leaves the flow out.

        Raises:
            ServiceError: nobody waits for them any more (``ending_at``).
            FloatingPointError: a network makes values that are no numbers.
        """
        hints = hints or [Hints()] * len(seeds)
        if hcis is None:
            quarters = self.sketches(hints, width, height)
            if hints[0].planes is None:  # nothing finer than a layout is known
                return resized(quarters, width, height)
        else:
            quarters = torch.stack([restorer_input(hci, width, height) for hci in hcis]).to(self.device)
        columns, rows = quarter_size(width, height)
        right, bottom = -width % MULTIPLE, -height % MULTIPLE
        latent_shape = AUTOENCODER_CHANNELS, (height + bottom) // LATENT_SCALE, (width + right) // LATENT_SCALE
        # All noise is drawn for the whole picture, so that tiles agree, and on the CPU, so that devices do.
        drawn = [noises(seed, (3, rows, columns), latent_shape) for seed in seeds]
        quarter_noise, latent_noise = (torch.stack(part).to(self.device) for part in zip(*drawn, strict=True))
        restored = self.restored(quarters + RESTORER_NOISE * quarter_noise)[..., :height, :width].clamp(0, 1)
        if steps == 0:
            return restored
        restored = functional.pad(restored, (0, right, 0, bottom), mode="reflect")
        latent = self.latent_of(restored)
        end = self.sampled(latent + self._networks.sigma * latent_noise, latent, steps, hints)
        return self.add_decoded(restored, end, latent)[..., :height, :width]

    @torch.inference_mode()
    def sketches(self, hints: Sequence[Hints], width: int, height: int) -> Tensor:
        """Return what ``hints`` allow in an HCI's place, ``[B, 3, ceil(height / 4), ceil(width / 4)]``, 0 to 1."""
        rows, columns = latent_size(width, height)
        planes, kept = (part.to(self.device) for part in planes_from(hints, rows, columns))
        prompt = prompt_from(hints).to(self.device, self._networks.sketch.dtype)
        told = self._networks.sketch.told(prompt, masks_from(hints).to(self.device), rows, columns).float()

        def drawn(tile: Tensor) -> Tensor:
            return sketched(
                self._networks.synthesis,
                self._networks.sketch,
                tile[:, :LATENT_CHANNELS],
                kept,
                tile[:, LATENT_CHANNELS:],
            )

        finer = LATENT_STRIDE // RESTORER_SCALE
        blank = torch.zeros(len(hints), 3, finer * rows, finer * columns, device=self.device)
        made = self._tiled(blank, drawn, torch.cat([planes, told], 1), self._of_planes, Fraction(finer))
        across, down = quarter_size(width, height)
        return smoothed(made)[..., :down, :across].clamp(0, 1)

    @torch.inference_mode()
    def restored(self, quarters: Tensor) -> Tensor:
        """Return ``[B, 3, 4h, 4w]``, not clamped, for ``quarters`` ``[B, 3, h, w]`` with their noise on."""
        batch, channels, height, width = quarters.shape
        blank = torch.zeros(batch, channels, RESTORER_SCALE * height, RESTORER_SCALE * width, device=self.device)
        return self._tiled(
            blank,
            lambda tile: self._networks.restorer(self._given(tile)),
            quarters,
            self._of_quarters,
            Fraction(RESTORER_SCALE),
        )

    @torch.inference_mode()
    def latent_of(self, picture: Tensor) -> Tensor:
        """Return the latent ``[B, 16, H / 8, W / 8]`` of ``picture`` ``[B, 3, H, W]``, of multiples of 32."""
        batch, _, height, width = picture.shape
        blank = torch.zeros(
            batch, AUTOENCODER_CHANNELS, height // LATENT_SCALE, width // LATENT_SCALE, device=self.device
        )
        return self._tiled(
            blank,
            lambda tile: encoded(self._networks.autoencoder, self._given(tile)),
            picture,
            self._of_pictures,
            Fraction(1, LATENT_SCALE),
        )

    @torch.inference_mode()
    def sampled(
        self,
        source: Tensor,
        restored_latent: Tensor,
        steps: int,
        hints: Sequence[Hints] | None = None,
        callback: Callable[[int, Tensor], None] | None = None,
    ) -> Tensor:
        """Return the flow's end ``[B, 16, h, w]`` from ``source``, guided by the restored latent and ``hints``.

        ``callback`` as in ``flow.sample``.
        """
        hints = hints or [Hints()] * len(source)
        planes, regions, given = (part.to(self.device) for part in maps_from(hints, *source.shape[2:]))
        there = torch.ones_like(given[:, :1])  # the networks' mask of the HCI: it, or the sketch in its place
        control = control_image(restored_latent, planes, regions, torch.cat([there, given], 1))
        prompt = prompt_from(hints).to(self.device, self.dtype)
        words = self._networks.words(prompt)

        def whole_velocity(latent: Tensor, time: Tensor) -> Tensor:
            def tile_velocity(tile: Tensor) -> Tensor:
                parts = self._given(tile)
                latent, control = parts[:, :AUTOENCODER_CHANNELS], parts[:, AUTOENCODER_CHANNELS:]
                return velocity(self._networks, latent, time, words, prompt.given, control)

            return self._tiled(
                torch.zeros_like(latent), tile_velocity, torch.cat([latent, control], 1), self._of_flow, Fraction(1)
            )

        return sample(whole_velocity, source, steps, callback)

    @torch.inference_mode()
    def add_decoded(self, picture: Tensor, latent: Tensor, restored_latent: Tensor) -> Tensor:
        """Add to ``picture`` ``[B, 3, H, W]`` in place what the flow changed, and return it.

        That is the decoded ``latent`` less the decoded ``restored_latent``: what the autoencoder loses, both lack, so
        that the restored picture keeps it.
        """
        autoencoder = self._networks.autoencoder

        def change(tile: Tensor) -> Tensor:
            both = decoded(autoencoder, torch.cat(torch.split(self._given(tile), AUTOENCODER_CHANNELS, dim=1))).float()
            return both[: len(tile)] - both[len(tile) :]

        latents = torch.cat([latent, restored_latent], 1)
        return self._tiled(picture, change, latents, self._of_latents, Fraction(LATENT_SCALE))

    def _tiled(
        self, result: Tensor, function: Callable[[Tensor], Tensor], inputs: Tensor, tiling: Tiling, scale: Fraction
    ) -> Tensor:
        """Do as ``add_tiled`` while somebody waits; what is no number is refused before clamping hides it."""

        def wanted(tile: Tensor) -> Tensor:
            if self._stop is not None and self._stop.is_set():
                raise ServiceError("the decoding was stopped: its call has ended")
            made = function(tile)
            if not bool(made.isfinite().all()):
                raise FloatingPointError("a network's output is not finite")
            return made

        return add_tiled(result, wanted, inputs, tiling, scale)

    def _given(self, planes: Tensor) -> Tensor:
        """Return ``planes`` in the type and memory layout that the networks compute in."""
        return planes.to(self.dtype).contiguous(memory_format=torch.channels_last)
