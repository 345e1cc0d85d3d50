"""The steps of the pocket decoder: fallback synthesis, restorer and refiner. See docs/decoder.md."""

from __future__ import annotations

import copy
from fractions import Fraction
from typing import TYPE_CHECKING

import torch
from torch.nn import functional

from receiver.pocket.conditioning import Conditioning, batch_latent, batch_masks, batch_places, batch_text
from receiver.pocket.fallback import fallback_image, smooth
from receiver.pocket.lanczos import resize
from receiver.pocket.networks import RESTORER_NOISE
from receiver.pocket.noise import draw_noise
from receiver.pocket.prompt import limit_regions
from receiver.pocket.refiner import BLOCK, COARSE, MULTIPLE, iterate
from receiver.pocket.restore import restorer_input
from receiver.pocket.sizes import RESTORER_SCALE, quarter_size
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

PIXEL_CHANNELS = 2 * 3 * COARSE**2
"""State and restored picture as channels at 1/16 of the size."""
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
        self._quarter_tiling = Tiling(self.side // RESTORER_SCALE, overlap // RESTORER_SCALE)
        self._channel_tiling = Tiling(self.side // LATENT_STRIDE, overlap // LATENT_STRIDE)
        self._coarse_tiling = Tiling(self.side // COARSE, overlap // COARSE, MULTIPLE // COARSE)
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
        other streams of each picture, and either all pictures have latent channels or none. ``steps`` 0 skips the
        refiner.

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
        # All noise is drawn for the whole picture, so that tiles agree, and on the CPU, so that devices agree.
        shapes = (3, rows, columns), (3, height + bottom, width + right)
        noise = [draw_noise(seed, *shapes[: 1 + (steps > 0)]) for seed in seeds]
        quarter_noise, *picture_noise = (torch.stack(part).to(self.device) for part in zip(*noise, strict=True))
        restored = self.restore(quarters + RESTORER_NOISE * quarter_noise)[..., :height, :width].clamp(0, 1)
        if steps == 0:
            return restored
        padded = functional.pad(restored, (0, right, 0, bottom), mode="replicate")
        refined = self.refine(padded, picture_noise[0], steps, conditioning, has_hci=hcis is not None)
        return refined[..., :height, :width]

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
    def refine(
        self, restored: Tensor, noise: Tensor, steps: int, conditioning: Sequence[Conditioning], *, has_hci: bool = True
    ) -> Tensor:
        """Return the refined picture ``[B, 3, H, W]``, not clamped, for ``restored`` of that shape.

        The sides are multiples of 32. ``noise`` has the shape of ``restored``.
        """
        refiner, (height, width) = self._networks.refiner, restored.shape[2:]
        places = batch_places(conditioning, height // COARSE, width // COARSE, has_hci=has_hci).to(self.device)
        prompt = batch_text(conditioning).to(self.device, self.dtype)
        embedded = self._networks.prompt_embedding(prompt)
        masks = functional.avg_pool2d(places.regions, COARSE // BLOCK)
        # Places and pixels are cut into tiles together, so all of them are channels at 1/16 of the size.
        guides = torch.cat([refiner.places(places).float(), masks], 1)

        def predict(state: Tensor, time: Tensor) -> Tensor:
            def predict_tile(tile: Tensor) -> Tensor:
                pixels, features, masks = tile.tensor_split([PIXEL_CHANNELS, tile.shape[1] - masks_count], dim=1)
                state, restored = functional.pixel_shuffle(pixels, COARSE).chunk(2, 1)
                allowed = limit_regions(prompt.given, masks, 1)
                predicted: Tensor = refiner(state, restored, time, embedded, allowed, features.to(self.dtype))
                return predicted

            pixels = functional.pixel_unshuffle(torch.cat([state, restored], 1), COARSE)
            inputs = torch.cat([pixels, guides], 1)
            return self._run_tiled(
                torch.zeros_like(restored), predict_tile, inputs, self._coarse_tiling, Fraction(COARSE)
            )

        masks_count = masks.shape[1]
        return iterate(predict, restored, noise, steps)

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
