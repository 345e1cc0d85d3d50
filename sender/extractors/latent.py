"""The sender's part of the latent stream: computes a picture's latent channels and chooses which to send.

Chen et al., "Generative Semantic Coding" (GSC, arXiv 2510.27324), sections 3.1 and 3.2.
"""

from __future__ import annotations

from importlib import resources
from typing import TYPE_CHECKING, Final

import numpy as np
import torch

from sender.extractors.latent_network import REACH, Analysis
from sender.extractors.latent_selection import luminance, ssim_scores
from shared.errors import ConfigError
from shared.latent.layout import CHANNEL_COUNTS, LATENT_CHANNELS, LATENT_STRIDE, VALUE_MAX, latent_size
from shared.pixels import grey_to_rgb, require_pixels, to_tensor
from shared.weights import load_weights

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray
    from torch import Tensor

WEIGHTS_NAME: Final = "analysis.safetensors"
STRIP_ROWS: Final = 64
"""Rows of samples that are computed at a time. This limits the memory."""


class LatentEncoder:
    """Computes the latent channels of pictures."""

    def __init__(self, weights: Path | None = None) -> None:
        """Load the weights that ship, or the safetensors file ``weights``.

        Raises:
            SetupError: they are missing or damaged.
        """
        self._analysis = load_analysis(weights)

    @torch.inference_mode()
    def values(self, pixels: NDArray[np.uint8]) -> NDArray[np.int16]:
        """Return the channels ``[32, h, w]`` in quantiser steps; h and w are H / 16 and W / 16, rounded up.

        ``pixels`` are uint8 ``[H, W, 3]`` or ``[H, W]``; grey becomes three equal colour channels.

        Raises:
            PictureError: another kind of array.
        """
        strips = []
        for picture, above, rows in _strips(_pad(pixels), REACH):
            channels = self._analysis(picture)[0, :, above : above + rows].round().clamp(-VALUE_MAX, VALUE_MAX)
            strips.append(channels.to(torch.int16).numpy())
        return np.concatenate(strips, axis=1)


@torch.inference_mode()
def select_channels(values: NDArray[np.int16], pixels: NDArray[np.uint8], count: int) -> tuple[int, ...]:
    """Return the ``count`` channels of ``values`` ``[32, h, w]`` that show most of the picture's structure, best first.

    The score is the structural similarity (SSIM) between the channel, as a grey picture, and the luminance
    (`sender/extractors/latent_selection.py`). Of equal scores, the lower id wins.

    Raises:
        ConfigError: ``count`` is not one of the allowed numbers, or ``values`` do not belong to this picture.
        PictureError: ``pixels`` is another kind of array.
    """
    if count not in CHANNEL_COUNTS:
        raise ConfigError(f"{count} latent channels: must be one of {', '.join(map(str, CHANNEL_COUNTS))}")
    padded = _pad(pixels)
    if values.shape != (LATENT_CHANNELS, *latent_size(pixels.shape[1], pixels.shape[0])):
        raise ConfigError(
            f"a latent of {list(values.shape)} is not of a picture of {pixels.shape[1]}x{pixels.shape[0]}"
        )
    grey = torch.cat([luminance(picture) for picture, _, _ in _strips(padded, 0)], dim=2)
    channels = torch.from_numpy(values.astype(np.float32))
    # One at a time: 32 grey pictures of a large photograph would take gigabytes.
    scores = [float(ssim_scores(one[None, None], grey)) for one in channels]
    return tuple(sorted(range(LATENT_CHANNELS), key=lambda channel: -scores[channel])[:count])


def load_analysis(path: Path | None = None) -> Analysis:
    """Return the analysis transform with the weights in ``path``, frozen; None loads the shipped weights.

    Raises:
        SetupError: the file is missing or damaged.
    """
    source = path or resources.files("models") / "latent" / WEIGHTS_NAME
    hint = "install the package again or train it (training/README.md)"
    with torch.device("meta"):
        analysis = Analysis()
    return load_weights(analysis, source, "the latent stream", hint)


def _pad(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return ``pixels`` as RGB with sides that are multiples of 16, the last row and column repeated.

    Raises:
        PictureError: not uint8 ``[H, W, 3]`` or ``[H, W]`` with at least one pixel.
    """
    require_pixels(pixels)
    height, width = pixels.shape[:2]
    return np.pad(grey_to_rgb(pixels), ((0, -height % LATENT_STRIDE), (0, -width % LATENT_STRIDE), (0, 0)), mode="edge")


def _strips(pixels: NDArray[np.uint8], margin: int) -> Iterator[tuple[Tensor, int, int]]:
    """Yield strips ``[1, 3, 16n, W]``, 0 to 1, with up to ``margin`` more rows of samples above and below.

    With each: how many rows of samples are above, and how many of its own.
    """
    height = pixels.shape[0] // LATENT_STRIDE
    for top in range(0, height, STRIP_ROWS):
        first, last = max(0, top - margin), min(height, top + STRIP_ROWS + margin)
        part = pixels[first * LATENT_STRIDE : last * LATENT_STRIDE]
        yield to_tensor(part)[None], top - first, min(STRIP_ROWS, height - top)
