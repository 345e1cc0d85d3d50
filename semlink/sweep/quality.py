"""The measures of a sweep, chosen by name, with the original's part computed once per picture."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from receiver.metrics.pixel import ms_ssim, psnr_db

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

    from shared.efficientnet import EfficientNetLite

NETWORK: Final = "lite0"
"""The judge: no network of this project is trained on it (``docs/evaluate.md``)."""


@dataclass(frozen=True, slots=True)
class Original:
    """An original ``[H, W, 3]`` uint8, and the judge's feature maps of it where they are wanted."""

    pixels: NDArray[np.uint8]
    maps: tuple[Tensor, ...]


class Quality:
    """Measures pictures; the network loads when it is first needed."""

    def __init__(self, device: str) -> None:
        self._device = device
        self._network: EfficientNetLite | None = None

    def original(self, pixels: NDArray[np.uint8], measures: Sequence[str]) -> Original:
        """Return what ``measured`` needs of the original.

        Raises:
            SetupError: the network's package is missing or damaged.
        """
        perceptual = any("efficientnet" in name for name in measures)
        return Original(pixels, self._maps(pixels) if perceptual else ())

    def measured(
        self, pixels: NDArray[np.uint8], original: Original, measures: Sequence[str]
    ) -> dict[str, float | None]:
        """Return ``measures`` of ``pixels`` by name; MS-SSIM is None below 161 pixels."""
        found: dict[str, float | None] = {}
        maps = self._maps(pixels) if original.maps else ()
        for name in measures:
            if name == "psnr_db":
                found[name] = psnr_db(pixels, original.pixels)
            elif name == "ms_ssim":
                found[name] = ms_ssim(pixels, original.pixels)
            else:
                from receiver.metrics.distances import dists_form, lpips_form  # noqa: PLC0415 - imports torch

                form = lpips_form if name == "lpips_efficientnet" else dists_form
                found[name] = float(form(maps, original.maps))
        return found

    def _maps(self, pixels: NDArray[np.uint8]) -> tuple[Tensor, ...]:
        import torch  # noqa: PLC0415 - seconds to import

        from receiver.metrics.measures import batch_of  # noqa: PLC0415
        from shared.efficientnet import efficientnet_lite  # noqa: PLC0415

        if self._network is None:
            self._network = efficientnet_lite().to(self._device)
        with torch.inference_mode():
            return tuple(self._network(batch_of(pixels).to(self._device)))
